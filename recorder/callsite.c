#include "callsite.h"

#include "loaded.h"
#include "member.h"
#include "notepad.h"

#include <sys/mman.h>

#define FIRST_BITS 10
#define COPY_BYTES 32768u /* of a stack, at most */
#define PAGE       4096u
#define BUDGET     50      /* one part of the process's time in so many goes into copies */
#define ADVANCE_NS 2000000 /* of time that may be spent beforehand */
#define COUNT_ONE  (UINT64_C(1) << RECORD_SITE_BITS)
#define COUNT_DONE (CALLSITE_DONE << RECORD_SITE_BITS)

struct callsite_table *_Atomic callsite_table;

static uint32_t sites;      /* numbers given */
static bool walking;        /* stacks are wanted */
static uint64_t started;    /* clock */
static uint64_t walk_spent; /* nanoseconds */

static struct callsite_table *table_make(unsigned bits)
{
	size_t bytes = sizeof(struct callsite_table) + (sizeof(struct callsite) << bits);
	struct callsite_table *table =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return NULL;
	table->shift = 64 - bits;
	table->mask = ((uint64_t)1 << bits) - 1;
	return table;
}

bool callsite_open(const struct session *s)
{
	struct callsite_table *table = table_make(FIRST_BITS);

	if (!table)
		return false;
	walking = s->mode & SESSION_CONTEXT;
	started = session_now(s);
	atomic_store(&callsite_table, table);
	return true;
}

/* The entry of the site, or the empty one where it belongs. */
static struct callsite *probe(struct callsite_table *table, uint64_t addr, uint32_t height)
{
	uint64_t i = callsite_hash(addr, height) >> table->shift;

	for (;; i = (i + 1) & table->mask) {
		struct callsite *site = table->entries + i;
		uint64_t there = atomic_load_explicit(&site->addr, memory_order_acquire);

		if (!there)
			return site;
		if (there == addr &&
		    atomic_load_explicit(&site->rest, memory_order_relaxed) >> 32 == height)
			return site;
	}
}

/* A table four times as large. The old one stays: other threads may be reading it. */
static struct callsite_table *grow(struct callsite_table *old)
{
	struct callsite_table *table = table_make(64 - old->shift + 2);

	if (!table)
		return NULL;
	for (uint64_t i = 0; i <= old->mask; i++) {
		struct callsite *site = old->entries + i;
		struct callsite *place;

		if (!site->addr)
			continue;
		place = probe(table, site->addr, (uint32_t)(site->rest >> 32));
		atomic_store_explicit(&place->rest, site->rest, memory_order_relaxed);
		atomic_store_explicit(&place->addr, site->addr, memory_order_relaxed);
	}
	table->used = old->used;
	atomic_store_explicit(&callsite_table, table, memory_order_release);
	return table;
}

void callsite_forget(void)
{
	struct callsite_table *table = table_make(FIRST_BITS);

	/* The old one stays: other threads may be reading it. */
	if (table)
		atomic_store_explicit(&callsite_table, table, memory_order_release);
}

/* A new site; locked. Returns its number, 0 when there is no room. */
static uint32_t add(struct callsite_table *table, const struct callsite_call *call)
{
	struct note_site note = {call->addr, call->height, sites + 1};
	struct notepad_part part = {&note, sizeof(note)};
	struct callsite *place;
	uint64_t count = walking ? COUNT_ONE : COUNT_DONE;

	if (sites >= CALLSITE_ID || (table->used > table->mask / 4 && !(table = grow(table))))
		return 0;
	loaded_tell(call->addr);
	if (!notepad_write(NOTE_SITE, &part, 1))
		return 0;
	sites++;
	table->used++;
	place = probe(table, call->addr, call->height);
	atomic_store_explicit(&place->rest, (uint64_t)call->height << 32 | count | sites,
			      memory_order_relaxed);
	/* Release: pairs with the acquire of whoever finds the site. */
	atomic_store_explicit(&place->addr, call->addr, memory_order_release);
	return sites;
}

/* Copies the stack above the call; locked. False: not now, it would cost too much time. */
static bool copy_stack(const struct callsite_call *call, uint32_t site)
{
	uint64_t begun = session_now(member.session);
	uint32_t bytes = call->height ? call->height : PAGE - (uint32_t)(call->frame % PAGE);
	struct note_stack note = {.site = site,
				  .bytes = bytes < COPY_BYTES ? bytes : COPY_BYTES,
				  .addr = call->addr,
				  .frame = call->frame,
				  .base = call->base};
	struct notepad_part parts[] = {{&note, sizeof(note)},
				       {(const void *)call->frame, note.bytes}};

	if (walk_spent * BUDGET > begun - started + ADVANCE_NS)
		return false;
	notepad_write(NOTE_STACK, parts, 2);
	walk_spent += session_now(member.session) - begun;
	return true;
}

/* Counts one more sight of a site whose stack is not copied yet. */
static void see(struct callsite *site, const struct callsite_call *call, uint64_t rest)
{
	uint64_t count = (rest >> RECORD_SITE_BITS & 255) + 1;

	if (count >= CALLSITE_WALK) {
		count = 0;
		if (notepad_lock()) {
			if (copy_stack(call, (uint32_t)(rest & CALLSITE_ID)))
				count = CALLSITE_DONE;
			notepad_unlock();
		}
	}
	rest = (rest & ~COUNT_DONE) | count << RECORD_SITE_BITS;
	/* Relaxed: threads that count at once may lose a sight. */
	atomic_store_explicit(&site->rest, rest, memory_order_relaxed);
}

__attribute__((noinline)) uint32_t callsite_find(const struct callsite_call *call)
{
	struct callsite_table *table = atomic_load_explicit(&callsite_table, memory_order_acquire);
	struct callsite *site = probe(table, call->addr, call->height);
	uint64_t rest;
	uint32_t number;

	if (atomic_load_explicit(&site->addr, memory_order_acquire) == call->addr) {
		rest = atomic_load_explicit(&site->rest, memory_order_relaxed);
		if ((rest & COUNT_DONE) != COUNT_DONE)
			see(site, call, rest);
		return (uint32_t)(rest & CALLSITE_ID);
	}
	if (!notepad_lock())
		return 0;
	table = atomic_load_explicit(&callsite_table, memory_order_relaxed);
	site = probe(table, call->addr, call->height);
	if (site->addr)
		number = (uint32_t)(site->rest & CALLSITE_ID);
	else
		number = add(table, call);
	notepad_unlock();
	return number;
}
