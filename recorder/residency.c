/*
 * mincore() is asked, which needs no descriptor: of private anonymous memory it tells the pages
 * that are mapped to something, the zero page included.
 */
#include "residency.h"

#include "filters.h"
#include "latch.h"
#include "member.h"
#include "notepad.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE       4096u
#define AT_ONCE    1024u /* pages that one call tells of */
#define FIRST_BITS 8
#define BUDGET     50       /* one part of the process's time in so many goes into asking */
#define ADVANCE_NS 20000000 /* of time that may be spent beforehand: 0.4 ms of asking */

/* What one question takes on a slow machine. */
#define COST_NS      10000
#define COST_PAGE_NS 20

struct block {
	uintptr_t addr; /* 0: an empty place */
	size_t size;
};

struct residency_filter residency_filter = {.offsets = {1}, .pages = {1}}; /* of NULL */

static struct block *blocks; /* open addressing, linear probing; a power of two of them */
static size_t mask, used;
static struct latch latch; /* of the table */
static _Atomic bool silent = true;
static uint64_t started;       /* clock */
static _Atomic uint64_t spent; /* nanoseconds */

void residency_open(void)
{
	/* hakrec lives under the filters that it has itself. */
	started = session_now(member.session);
	silent = filters_count() != member.session->filters;
}

void residency_confine(void)
{
	silent = true;
}

/* ---- residency ---- */

static uint64_t resident(uintptr_t addr, size_t size)
{
	uintptr_t at = addr & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = (addr + size + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	unsigned char pages[AT_ONCE];
	uint64_t count = 0;
	int saved = errno;

	while (at < end) {
		size_t n = (end - at) / PAGE < AT_ONCE ? (end - at) / PAGE : AT_ONCE;

		if (silent || mincore((void *)at, n * PAGE, pages) != 0) {
			count = TRACE_NONE;
			break;
		}
		for (size_t i = 0; i < n; i++)
			count += pages[i] & 1;
		at += n * PAGE;
	}
	errno = saved;
	return count;
}

/* What asking cost, without what the scheduler took meanwhile. */
static void charge(uint64_t begun, size_t size)
{
	uint64_t cost = session_now(member.session) - begun;
	uint64_t most = COST_NS + COST_PAGE_NS * (size / PAGE);

	spent += cost < most ? cost : most;
}

/* ---- the table; locked ---- */

static size_t home_of(uintptr_t addr)
{
	return (addr >> 4) * 0x9e3779b97f4a7c15u >> 32 & mask;
}

/* The place of the block, or the empty one where it belongs. */
static size_t place_of(uintptr_t addr)
{
	size_t i = home_of(addr);

	while (blocks[i].addr && blocks[i].addr != addr)
		i = (i + 1) & mask;
	return i;
}

static bool grow(void)
{
	size_t places = blocks ? (mask + 1) * 2 : (size_t)1 << FIRST_BITS, old = mask;
	struct block *all = mmap(NULL, places * sizeof(*all), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct block *before = blocks;

	if (all == MAP_FAILED)
		return false;
	blocks = all;
	mask = places - 1;
	for (size_t i = 0; before && i <= old; i++)
		if (before[i].addr)
			blocks[place_of(before[i].addr)] = before[i];
	if (before)
		munmap(before, (old + 1) * sizeof(*before));
	return true;
}

static void add(_Atomic uint8_t *count, int change)
{
	uint8_t now = atomic_load_explicit(count, memory_order_relaxed);

	if (now != UINT8_MAX) /* too many to be counted: they stay */
		atomic_store_explicit(count, (uint8_t)(now + change), memory_order_relaxed);
}

static void filter_add(uintptr_t addr, int change)
{
	add(residency_filter.offsets + (addr >> 4) % RESIDENCY_OFFSETS, change);
	add(residency_filter.pages + (addr >> 12) % RESIDENCY_PAGES, change);
}

static void enter(uintptr_t addr, size_t size)
{
	size_t place;

	if ((!blocks || used * 2 > mask) && !grow())
		return;
	place = place_of(addr);
	if (!blocks[place].addr) {
		used++;
		filter_add(addr, 1);
	}
	blocks[place] = (struct block){addr, size};
}

/* Empties a place, and moves up those behind that would not be found any more. */
static void empty(size_t hole)
{
	filter_add(blocks[hole].addr, -1);
	used--;
	for (size_t i = (hole + 1) & mask; blocks[i].addr; i = (i + 1) & mask) {
		if (((i - home_of(blocks[i].addr)) & mask) < ((i - hole) & mask))
			continue;
		blocks[hole] = blocks[i];
		hole = i;
	}
	blocks[hole].addr = 0;
}

void residency_inherit(void)
{
	if (!latch_orphaned(&latch))
		return;
	blocks = NULL;
	used = 0;
	/* No hook looks at it before. */
	memset(&residency_filter, 0, sizeof(residency_filter));
	filter_add((uintptr_t)NULL, 1);
}

uint64_t residency_born(const void *ptr, size_t size)
{
	uint64_t begun = session_now(member.session), pages;

	/* A block that is not asked about now is not at its death either. */
	if (silent || spent * BUDGET > begun - started + ADVANCE_NS)
		return TRACE_NONE;
	if (latch_lock(&latch)) {
		enter((uintptr_t)ptr, size);
		latch_unlock(&latch);
	}
	pages = resident((uintptr_t)ptr, size);
	charge(begun, size);
	return pages;
}

uint64_t residency_died(const void *ptr, size_t *size)
{
	uint64_t begun = session_now(member.session), pages;
	size_t place;

	*size = 0;
	if (!latch_lock(&latch))
		return TRACE_NONE;
	place = blocks ? place_of((uintptr_t)ptr) : 0;
	if (blocks && blocks[place].addr) {
		*size = blocks[place].size;
		empty(place);
	}
	latch_unlock(&latch);
	if (!*size)
		return TRACE_NONE;
	pages = resident((uintptr_t)ptr, *size);
	charge(begun, *size);
	return pages;
}

void residency_stays(const void *ptr, size_t size)
{
	if (latch_lock(&latch)) {
		enter((uintptr_t)ptr, size);
		latch_unlock(&latch);
	}
}

void residency_end(void)
{
	/* A vforked child has all of its parent's, but is not its end. */
	if (silent || !used || getpid() != atomic_load(&member.process->pid) || !notepad_lock())
		return;
	if (latch_lock(&latch)) {
		for (size_t i = 0; i <= mask; i++) {
			struct note_left note = {blocks[i].addr, blocks[i].size, 0};
			struct notepad_part part = {&note, sizeof(note)};

			if (!note.addr)
				continue;
			note.pages = resident(note.addr, note.size);
			if (note.pages != TRACE_NONE)
				notepad_write(NOTE_LEFT, &part, 1);
		}
		latch_unlock(&latch);
	}
	notepad_unlock();
}
