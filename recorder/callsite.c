#include "callsite.h"

#include "loaded.h"
#include "member.h"
#include "notepad.h"

#include <sys/mman.h>

#define FIRST_BITS 10
#define LOST       2           /* of words, for each that a cache has, until it is made larger */
#define WALK       16          /* at which sight a stack is copied first */
#define COPIED     0x80000000u /* it was; sights are counted anew */
#define COPY_BYTES 32768u      /* of a stack, at most */
#define PAGE       4096u
#define BUDGET     50      /* one part of the process's time in so many goes into copies */
#define ADVANCE_NS 2000000 /* of time that may be spent beforehand */
#define LEFT_OVER  4       /* further copies of a site keep to that part of the budget */

/* One site; sights are counted until its stack was copied, and then those on the slow path. */
struct callsite {
	_Atomic uint64_t print; /* written last: whoever sees it sees the rest; 0: an empty place */
	uint32_t number;
	_Atomic uint32_t sights; /* and COPIED */
};

/* All sites, open addressing, linear probing. */
struct table {
	uint64_t mask; /* so many entries there are, less one */
	uint64_t used;
	struct callsite_cache *_Atomic cache; /* at most as many words as there are entries */
	struct callsite entries[];
};

_Atomic uint64_t *_Atomic callsite_words;
bool callsite_unwanted;

static struct table *_Atomic sites_table;
static bool by_context;        /* sites are told apart by their stack heights as well */
static _Atomic uint32_t sites; /* numbers given */
static uint64_t started;       /* clock */
static uint64_t walk_spent;    /* nanoseconds */

#define MIX 0xd1342543de82ef95u /* an odd number of many ones and zeros */

struct callsite_view callsite_look_from(uintptr_t begin)
{
	uint64_t factor = begin ? MIX : 0;

	return (struct callsite_view){begin, factor, -begin * factor};
}

/* 64 bits of which two sites of one process will not share all; no site's are 0. */
static uint64_t print_of(uint64_t addr, uint64_t height)
{
	return (addr + height * MIX) * 0x9e3779b97f4a7c15u;
}

static void *map(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* An empty one; NULL: no memory. */
static struct callsite_cache *cache_make(uint64_t words)
{
	struct callsite_cache *cache = map(sizeof(*cache) + words * sizeof(*cache->words));

	if (cache)
		cache->mask = words - 1;
	return cache;
}

/* An empty table that goes on with a cache, NULL: with an empty one; NULL: no memory. */
static struct table *table_make(uint64_t entries, struct callsite_cache *cache)
{
	size_t bytes = sizeof(struct table) + entries * sizeof(struct callsite);
	struct table *table = map(bytes);

	if (!table)
		return NULL;
	table->mask = entries - 1;
	table->cache = cache ? cache : cache_make(1u << FIRST_BITS);
	if (!table->cache) {
		munmap(table, bytes);
		return NULL;
	}
	return table;
}

/* From now on this one is asked. Those before stay: other threads may be reading them. */
static void table_show(struct table *table)
{
	atomic_store_explicit(&sites_table, table, memory_order_release);
	atomic_store_explicit(&callsite_words, table->cache->words, memory_order_release);
}

bool callsite_open(const struct session *s)
{
	struct table *table = table_make(1u << FIRST_BITS, NULL);

	if (!table)
		return false;
	by_context = s->mode & SESSION_CONTEXT;
	callsite_unwanted = !(s->mode & (SESSION_CONTEXT | SESSION_ADDRESS));
	started = session_now(s);
	table_show(table);
	return true;
}

/* The entry of the site, or the empty one where it belongs. */
static struct callsite *probe(struct table *table, uint64_t print)
{
	uint64_t place = print >> 32;

	for (;; place++) {
		struct callsite *site = table->entries + (place & table->mask);
		uint64_t there = atomic_load_explicit(&site->print, memory_order_acquire);

		if (!there || there == print)
			return site;
	}
}

/* Writes an empty entry. */
static void enter(struct callsite *place, uint64_t print, uint32_t number, uint32_t sights)
{
	place->number = number;
	atomic_store_explicit(&place->sights, sights, memory_order_relaxed);
	/* Release: pairs with the acquire of whoever finds the site. */
	atomic_store_explicit(&place->print, print, memory_order_release);
}

/* A table twice as large. */
static struct table *grow(struct table *old)
{
	struct table *table = table_make((old->mask + 1) * 2, old->cache);

	if (!table)
		return NULL;
	for (uint64_t i = 0; i <= old->mask; i++) {
		struct callsite *site = old->entries + i;
		uint32_t sights = atomic_load_explicit(&site->sights, memory_order_relaxed);

		if (site->print)
			enter(probe(table, site->print), site->print, site->number, sights);
	}
	table->used = old->used;
	table_show(table);
	return table;
}

void callsite_forget(void)
{
	struct table *table = table_make(1u << FIRST_BITS, NULL);

	if (table)
		table_show(table);
}

uint32_t callsite_told(void)
{
	return atomic_load(&sites);
}

void callsite_inherit(uint32_t told)
{
	if (callsite_told() != told)
		callsite_forget();
	else /* another thread may have been about to */
		table_show(atomic_load(&sites_table));
}

/* The cache loses words too often for lack of room. */
static bool crowded(const struct table *table)
{
	const struct callsite_cache *cache =
		atomic_load_explicit(&table->cache, memory_order_acquire);

	return atomic_load_explicit(&cache->lost, memory_order_relaxed) > LOST * cache->mask &&
	       cache->mask < table->mask;
}

/* A cache twice as large, empty at first. No larger than need be: each call touches a word, so they
 * are to lie on few pages and cache lines. */
static void widen(struct table *table)
{
	struct callsite_cache *cache;

	if (!notepad_lock())
		return;
	if (table == atomic_load(&sites_table) && crowded(table)) {
		cache = cache_make((table->cache->mask + 1) * 2);
		atomic_store_explicit(&table->cache->lost, 0, memory_order_relaxed);
		if (cache) {
			atomic_store_explicit(&table->cache, cache, memory_order_release);
			atomic_store_explicit(&callsite_words, cache->words, memory_order_release);
		}
	}
	notepad_unlock();
}

/* Shows a site to the fast path. In the cache of its own table: numbers of one that was forgotten
 * must not come into the next. */
static void remember(struct table *table, uint64_t cue, uint32_t number)
{
	struct callsite_cache *cache;
	_Atomic uint64_t *place, *second;
	uint64_t word = cue ^ number, first, last;

	if (crowded(table))
		widen(table);
	cache = atomic_load_explicit(&table->cache, memory_order_acquire);
	place = callsite_place(cache->words, cue);
	second = callsite_place(cache->words, cue ^ 1);
	first = atomic_load_explicit(place, memory_order_relaxed);
	last = atomic_load_explicit(second, memory_order_relaxed);
	if (first == word)
		return;
	atomic_store_explicit(place, word, memory_order_relaxed);
	if (!first)
		return;
	atomic_store_explicit(second, first, memory_order_relaxed);
	if (last && last != word)
		atomic_fetch_add_explicit(&cache->lost, 1, memory_order_relaxed);
}

static bool full(const struct table *table)
{
	return table->used > table->mask / 2;
}

/* A new site; locked. Returns its number, 0 when there is no room. */
static uint32_t add(struct table *table, uint64_t print, uint64_t addr, uint32_t height)
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
	enter(probe(table, print), print, sites, 1);
	return sites;
}

/* Memory for records has run out where calls are dropped rather than wait for it. */
static bool memory_short(void)
{
	return member.session->mode & SESSION_LOSSY && session_short(member.session);
}

/* Copies the stack above the call; locked. False: not now, it would cost too much time or memory.
 */
static bool copy_stack(const uintptr_t *frame, uintptr_t pointer, uint32_t height, uint32_t site,
		       bool first)
{
	uint64_t begun = session_now(member.session);
	uint32_t bytes = height ? height : PAGE - (uint32_t)((uintptr_t)frame % PAGE);
	struct note_stack note = {.site = site,
				  .bytes = bytes < COPY_BYTES ? bytes : COPY_BYTES,
				  .addr = frame[-1],
				  .frame = (uintptr_t)frame,
				  .base = pointer};
	struct notepad_part parts[] = {{&note, sizeof(note)}, {frame, note.bytes}};

	if (memory_short() ||
	    walk_spent * BUDGET * (first ? 1 : LEFT_OVER) > begun - started + ADVANCE_NS)
		return false;
	notepad_write(NOTE_STACK, parts, 2);
	walk_spent += session_now(member.session) - begun;
	return true;
}

/* Copies the stack of a site unless that would cost too much now. */
static void copy_now(struct callsite *site, const uintptr_t *frame, uintptr_t pointer,
		     uint32_t height)
{
	uint32_t sights;

	if (!notepad_lock())
		return;
	sights = atomic_load_explicit(&site->sights, memory_order_relaxed);
	/* Before the unlock: whoever makes a larger table sees both, or neither. */
	if (copy_stack(frame, pointer, height, site->number, !(sights & COPIED)) &&
	    !(sights & COPIED))
		atomic_store_explicit(&site->sights, COPIED, memory_order_relaxed);
	notepad_unlock();
}

/*
 * Counts one more sight of a site on the slow path. At some sights its stack is copied: the first
 * time at the sixteenth, and if that would have cost too much, at the next one that finds time for
 * it. The calls of a site that was seen so often take the slow path seldom, one in some hundred,
 * whichever it is: once the stack was copied it is again at the first such, the second, the
 * fourth, ...
 */
static void see(struct callsite *site, const uintptr_t *frame, uintptr_t pointer, uint32_t height)
{
	/* Relaxed: threads that count at once may lose a sight, or copy a stack twice. */
	uint32_t sights = atomic_load_explicit(&site->sights, memory_order_relaxed) + 1;
	uint32_t again = sights & ~COPIED;

	if (!again)
		return;
	atomic_store_explicit(&site->sights, sights, memory_order_relaxed);
	if (sights & COPIED ? !(again & (again - 1)) : again >= WALK)
		copy_now(site, frame, pointer, height);
}

uint32_t callsite_find(const struct callsite_view *view, const uintptr_t *frame, uintptr_t pointer)
{
	struct table *table = atomic_load_explicit(&sites_table, memory_order_acquire);
	uint32_t height = site_height(view->begin, (uintptr_t)frame);
	uint64_t print = print_of(frame[-1], height);
	struct callsite *site;
	uint32_t number;

	if (callsite_unwanted)
		return 0;
	site = probe(table, print);
	if (atomic_load_explicit(&site->print, memory_order_acquire)) {
		if (by_context)
			see(site, frame, pointer, height);
		if (!by_context ||
		    atomic_load_explicit(&site->sights, memory_order_relaxed) >= WALK)
			remember(table,
				 callsite_outside(view, (uintptr_t)frame)
					 ? callsite_outside_cue(frame[-1])
					 : callsite_cue(view, frame[-1], (uintptr_t)frame),
				 site->number);
		return site->number;
	}
	if (!notepad_lock())
		return 0;
	table = atomic_load_explicit(&sites_table, memory_order_relaxed);
	site = probe(table, print);
	number = site->print ? site->number : add(table, print, frame[-1], height);
	notepad_unlock();
	return number;
}
