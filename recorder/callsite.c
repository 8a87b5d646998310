#include "callsite.h"

#include "loaded.h"
#include "member.h"
#include "notepad.h"

#include <sys/mman.h>

#define FIRST_BITS 10
#define WALK       16     /* at which sight a stack is copied first */
#define COPY_BYTES 32768u /* of a stack, at most */
#define PAGE       4096u
#define BUDGET     50      /* one part of the process's time in so many goes into copies */
#define ADVANCE_NS 2000000 /* of time that may be spent beforehand */
#define LEFT_OVER  4       /* further copies of a site keep to that part of the budget */

struct callsite_table *_Atomic callsite_table;
int64_t callsite_else = -1;

static enum { NONE, ADDRESS, CONTEXT } mode;
static uint32_t sites;      /* numbers given */
static uint64_t started;    /* clock */
static uint64_t walk_spent; /* nanoseconds */

static struct callsite_table *table_make(uint64_t entries)
{
	size_t bytes = sizeof(struct callsite_table) + entries * sizeof(struct callsite);
	struct callsite_table *table =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return NULL;
	table->mask = (entries - 1) * sizeof(struct callsite);
	return table;
}

bool callsite_open(const struct session *s)
{
	struct callsite_table *table = table_make(1u << FIRST_BITS);

	if (!table)
		return false;
	mode = s->mode & SESSION_CONTEXT ? CONTEXT : s->mode & SESSION_ADDRESS ? ADDRESS : NONE;
	callsite_else = mode == NONE ? 0 : -1;
	started = session_now(s);
	atomic_store(&callsite_table, table);
	return true;
}

/* The entry of the site, or the empty one where it belongs. */
static struct callsite *probe(struct callsite_table *table, uint64_t print)
{
	struct callsite *end = callsite_place(table, UINT64_MAX) + 1;
	struct callsite *site = callsite_place(table, print);

	for (;;) {
		uint64_t there = atomic_load_explicit(&site->print, memory_order_acquire);

		if (!there || there == print || there == ~print)
			return site;
		if (++site == end)
			site = table->entries;
	}
}

/* Whether sights of an entry are counted on the way to its first copy: its print is inverted. */
static bool is_new(uint32_t sights)
{
	return sights && sights < WALK;
}

/* Writes an empty entry; sights 0: none are counted. */
static void enter(struct callsite *place, uint64_t print, uint32_t number, uint32_t sights)
{
	place->number = number;
	atomic_store_explicit(&place->sights, sights, memory_order_relaxed);
	/* Release: pairs with the acquire of whoever finds the site. */
	atomic_store_explicit(&place->print, is_new(sights) ? ~print : print, memory_order_release);
}

/* A table four times as large. The old one stays: other threads may be reading it. */
static struct callsite_table *grow(struct callsite_table *old)
{
	uint64_t entries = old->mask / sizeof(struct callsite) + 1;
	struct callsite_table *table = table_make(entries * 4);

	if (!table)
		return NULL;
	for (uint64_t i = 0; i < entries; i++) {
		struct callsite *site = old->entries + i;
		uint32_t sights = atomic_load_explicit(&site->sights, memory_order_relaxed);
		uint64_t print = is_new(sights) ? ~site->print : site->print;

		if (site->print)
			enter(probe(table, print), print, site->number, sights);
	}
	table->used = old->used;
	atomic_store_explicit(&callsite_table, table, memory_order_release);
	return table;
}

void callsite_forget(void)
{
	struct callsite_table *table = table_make(1u << FIRST_BITS);

	/* The old one stays: other threads may be reading it. */
	if (table)
		atomic_store_explicit(&callsite_table, table, memory_order_release);
}

static bool full(const struct callsite_table *table)
{
	return table->used * sizeof(struct callsite) > table->mask / 4;
}

/* A new site; locked. Returns its number, 0 when there is no room. */
static uint32_t add(struct callsite_table *table, uint64_t print, uint64_t addr, uint32_t height)
{
	struct note_site note = {addr, height, sites + 1};
	struct notepad_part part = {&note, sizeof(note)};

	if (sites >= CALLSITE_MAX || (full(table) && !(table = grow(table))))
		return 0;
	loaded_tell(addr);
	if (!notepad_write(NOTE_SITE, &part, 1))
		return 0;
	table->used++;
	sites++;
	enter(probe(table, print), print, sites, mode == CONTEXT);
	return sites;
}

/* Copies the stack above the call; locked. False: not now, it would cost too much time. */
static bool copy_stack(const uintptr_t *base, uint32_t height, uint32_t site, bool first)
{
	const uintptr_t *frame = base + 2;
	uint64_t begun = session_now(member.session);
	uint32_t bytes = height ? height : PAGE - (uint32_t)((uintptr_t)frame % PAGE);
	struct note_stack note = {.site = site,
				  .bytes = bytes < COPY_BYTES ? bytes : COPY_BYTES,
				  .addr = base[1],
				  .frame = (uintptr_t)frame,
				  .base = base[0]};
	struct notepad_part parts[] = {{&note, sizeof(note)}, {frame, note.bytes}};

	if (walk_spent * BUDGET * (first ? 1 : LEFT_OVER) > begun - started + ADVANCE_NS)
		return false;
	notepad_write(NOTE_STACK, parts, 2);
	walk_spent += session_now(member.session) - begun;
	return true;
}

static bool copy_now(struct callsite *site, uint64_t print, const uintptr_t *base, uint32_t height)
{
	bool first, copied;

	if (!notepad_lock())
		return false;
	first = is_new(atomic_load_explicit(&site->sights, memory_order_relaxed));
	copied = copy_stack(base, height, site->number, first);
	/* Before the unlock: whoever makes a larger table sees both, or neither. */
	if (copied && first) {
		atomic_store_explicit(&site->sights, WALK, memory_order_relaxed);
		atomic_store_explicit(&site->print, print, memory_order_release);
	}
	notepad_unlock();
	return copied;
}

/* Counts one more sight of a site whose stack is not copied yet. */
static void see(struct callsite *site, uint64_t print, const uintptr_t *base, uint32_t height)
{
	/* Relaxed: threads that count at once may lose a sight, or copy a stack twice. */
	uint32_t sights = atomic_load_explicit(&site->sights, memory_order_relaxed) + 1;

	if (sights == WALK && copy_now(site, print, base, height))
		return;
	if (sights <= WALK)
		atomic_store_explicit(&site->sights, sights == WALK ? 1 : sights,
				      memory_order_relaxed);
}

/*
 * A call of a known site took the slow path, as one in some hundred does, whichever it is: the
 * stack is copied again at the first such sight, the second, the fourth, ...
 */
static void see_again(struct callsite *site, uint64_t print, const uintptr_t *base, uint32_t height)
{
	uint32_t sights = atomic_load_explicit(&site->sights, memory_order_relaxed);
	uint32_t again = sights - WALK + 1;

	if (sights < WALK || sights == UINT32_MAX)
		return;
	atomic_store_explicit(&site->sights, sights + 1, memory_order_relaxed);
	if (!(again & (again - 1)))
		copy_now(site, print, base, height);
}

uint32_t callsite_find(uintptr_t begin, const uintptr_t *base)
{
	struct callsite_table *table = atomic_load_explicit(&callsite_table, memory_order_acquire);
	uint32_t height = site_height(begin, (uintptr_t)(base + 2));
	uint64_t print = callsite_print(base[1], height);
	struct callsite *site;
	uint64_t there;
	uint32_t number;

	if (mode == NONE)
		return 0;
	site = probe(table, print);
	there = atomic_load_explicit(&site->print, memory_order_acquire);
	if (there) {
		if (there != print)
			see(site, print, base, height);
		else
			see_again(site, print, base, height);
		return site->number;
	}
	if (!notepad_lock())
		return 0;
	table = atomic_load_explicit(&callsite_table, memory_order_relaxed);
	site = probe(table, print);
	number = site->print ? site->number : add(table, print, base[1], height);
	notepad_unlock();
	return number;
}
