#include "shard.h"

#include "lock.h"
#include "meta.h"
#include "notice.h"
#include "os.h"
#include "stat.h"
#include "whale.h"

/* Segments with nothing given out stay mapped up to so many and such a share of all. */
#define SPARE_LEAST 16
#define SPARE_SHARE 2

/* Segments that a look for remote frees goes through. */
#define LOOKED_MOST 2
/* Segments that a run is looked for in once one fits. */
#define COMPARED_MOST 4
/* Fresh Whales leave free pages in the shards up to such a share of all memory. */
#define ROOM_SHARE 8

/* Processors to a shard: more shards wait less for each other's locks, and fill their segments
 * worse. */
#define SHARD_CPUS 4

struct shard {
	_Alignas(64) struct lock lock;
	struct segment *first, *last; /* segments with free granules */
	unsigned segments;            /* in all */
	unsigned spare;               /* of these, with nothing given out */
	struct segment *records;      /* unused */
	size_t dirty;                 /* granules that are free and may be resident */
	bool used;
	/* Written under the lock, read without. */
	_Atomic uint64_t out;             /* granules given out */
	_Atomic uint64_t taken, returned; /* runs */
};

static struct shard shards[SHARD_MOST];
/* All records of segments; none ever goes away. */
static _Atomic(struct segment *) chain;
static unsigned count = 1;

void shard_init(void)
{
	unsigned cpus = os_cpus();

	count = (cpus + SHARD_CPUS - 1) / SHARD_CPUS;
	if (count > SHARD_MOST)
		count = SHARD_MOST;
}

unsigned shard_count(void)
{
	return count;
}

struct slab *shard_slab_checked(unsigned cls, const void *ptr)
{
	/* The fast path took the address modulo the window; an alias of a block shows here. So does
	 * a block that was free already when its slab went back. */
	if (!window_holds(ptr))
		notice_fatal("free of a foreign pointer:", ptr);
	if ((window_get(ptr) & WINDOW_CLASS_MASK) != cls)
		notice_fatal("double free of", ptr);
	return shard_slab_head(ptr);
}

struct slab *shard_slab_form(void *run, unsigned cls, uint32_t tag, uint32_t word)
{
	unsigned granules = class_table[cls].granules;
	struct slab *slab = shard_slab(run);

	slab_format(slab, run, cls);
	for (unsigned at = 0; at < granules; at++) {
		slab[at].before = (uint8_t)at;
		window_set((char *)run + ((size_t)at << GRANULE_SHIFT), word);
	}
	slab->tag = tag;
	return slab;
}

static uint64_t run_mask(unsigned first, unsigned granules)
{
	return (granules == 64 ? UINT64_MAX : ((uint64_t)1 << granules) - 1) << first;
}

/* Bits of the first granules of runs of `granules` ones in `bits`, at multiples of `align`. */
static uint64_t runs_in(uint64_t bits, unsigned granules, unsigned align)
{
	static const uint64_t aligned[] = {UINT64_MAX,
					   0x5555555555555555u,
					   0x1111111111111111u,
					   0x0101010101010101u,
					   0x0001000100010001u,
					   0x0000000100000001u,
					   1};

	for (unsigned have = 1; have < granules;) {
		unsigned step = have < granules - have ? have : granules - have;

		bits &= bits >> step;
		have += step;
	}
	return bits & aligned[__builtin_ctz(align)];
}

static void segment_list(struct shard *shard, struct segment *segment)
{
	segment->listed = true;
	segment->next = NULL;
	segment->prev = shard->last;
	if (shard->last)
		shard->last->next = segment;
	else
		shard->first = segment;
	shard->last = segment;
}

static void segment_unlist(struct shard *shard, struct segment *segment)
{
	segment->listed = false;
	if (segment->prev)
		segment->prev->next = segment->next;
	else
		shard->first = segment->next;
	if (segment->next)
		segment->next->prev = segment->prev;
	else
		shard->last = segment->prev;
}

/* Under the shard's lock; the record outlives its segment, for the next one. */
static struct segment *record_take(struct shard *shard)
{
	struct segment *segment = shard->records;

	if (segment) {
		shard->records = segment->next;
		return segment;
	}
	segment = meta_take(sizeof(*segment));
	if (!segment)
		return NULL;
	segment->chain = atomic_load_explicit(&chain, memory_order_relaxed);
	/* Release: pairs with the acquire in shard_find_remote. */
	while (!atomic_compare_exchange_weak_explicit(&chain, &segment->chain, segment,
						      memory_order_release, memory_order_relaxed))
		;
	return segment;
}

static void base_unmap(char *base)
{
	os_unmap(base, SLOT);
	stat_add_shared(&stat_shared.munmap_calls, 1);
	window_release(base, SLOT);
	window_count(-(int64_t)SLOT);
}

/* Unmaps a segment of which nothing is given out; returns how many bytes of it may have been
 * resident. */
static size_t segment_destroy(struct shard *shard, struct segment *segment)
{
	size_t bytes = (size_t)__builtin_popcountll(segment->dirty) << GRANULE_SHIFT;

	segment_unlist(shard, segment);
	base_unmap(segment->base);
	shard->segments--;
	shard->spare--;
	shard->dirty -= (size_t)__builtin_popcountll(segment->dirty);
	segment->free = segment->dirty = segment->stale = 0;
	segment->next = shard->records;
	shard->records = segment;
	stat_add_shared(&stat_shared.purged_bytes, bytes);
	return bytes;
}

static struct segment *segment_create(unsigned number)
{
	struct shard *shard = &shards[number];
	struct segment *segment;
	char *base;

	whale_release(SLOT);
	base = window_take(SLOT, SLOT);
	if (!base)
		return NULL;
	segment = record_take(shard);
	if (!segment) {
		base_unmap(base);
		return NULL;
	}
	shard->segments++;
	shard->spare++;
	__atomic_store_n(&segment->base, base, __ATOMIC_RELAXED);
	segment->free = UINT64_MAX;
	segment->shard = (uint8_t)number;
	window.owners[window_slot(base)] = segment;
	segment_list(shard, segment);
	if (!shard->used) {
		shard->used = true;
		stat_add_shared(&stat_shared.shards_used, 1);
	}
	return segment;
}

static char *segment_take(struct shard *shard, struct segment *segment, unsigned first,
			  unsigned granules, bool *zero)
{
	uint64_t mask = run_mask(first, granules);

	*zero = !(segment->dirty & mask);
	if (segment->free == UINT64_MAX)
		shard->spare--;
	segment->free &= ~mask;
	stat_add(&shard->out, granules);
	stat_add(&shard->taken, 1);
	shard->dirty -= (size_t)__builtin_popcountll(segment->dirty & mask);
	segment->dirty &= ~mask;
	segment->stale &= ~mask;
	if (!segment->free)
		segment_unlist(shard, segment);
	return segment->base + ((size_t)first << GRANULE_SHIFT);
}

/* The first of the shortest runs of ones in `bits` that hold `granules` at a multiple of align; 64:
 * none. */
static unsigned run_best(uint64_t bits, unsigned granules, unsigned align, unsigned *length)
{
	uint64_t starts = runs_in(bits, granules, align);
	unsigned best = 64;

	*length = 65;
	while (starts) {
		unsigned first = (unsigned)__builtin_ctzll(starts);
		uint64_t rest = ~(bits >> first);
		unsigned run = rest ? (unsigned)__builtin_ctzll(rest) : 64 - first;

		if (run < *length) {
			*length = run;
			best = first;
		}
		/* On to the next run. */
		starts &= first + run >= 64 ? 0 : UINT64_MAX << (first + run);
	}
	return best;
}

/* What taking a run costs, the less the better: memory of the wrong kind most, then the room that
 * is left. 64 in *first: no run. */
static unsigned run_cost(const struct segment *segment, enum shard_source source, unsigned granules,
			 unsigned align, unsigned *first)
{
	uint64_t clean = segment->free & ~segment->dirty;
	unsigned length;

	*first = run_best(source == SHARD_CLEAN ? clean : segment->dirty, granules, align, &length);
	if (*first == 64 && source != SHARD_RESIDENT) {
		*first = run_best(segment->free, granules, align, &length);
		length += SEGMENT_GRANULES;
	}
	return length;
}

/* The cheapest run of the first few segments that may have one, and of equals the first. */
static char *run_take(struct shard *shard, enum shard_source source, unsigned granules,
		      unsigned align, bool *zero)
{
	struct segment *best_segment = NULL;
	unsigned best = 64, best_cost = UINT32_MAX, looked = 0;

	if (source == SHARD_RESIDENT && shard->dirty < granules)
		return NULL;
	for (struct segment *segment = shard->first; segment; segment = segment->next) {
		unsigned first, cost = run_cost(segment, source, granules, align, &first);

		if (first < 64 && cost < best_cost) {
			best_segment = segment;
			best = first;
			best_cost = cost;
			if (cost == granules)
				break;
		}
		if (best_segment && ++looked == COMPARED_MOST)
			break;
	}
	if (!best_segment)
		return NULL;
	return segment_take(shard, best_segment, best, granules, zero);
}

unsigned shard_take_resident(unsigned number, unsigned granules, void **runs, unsigned most)
{
	struct shard *shard = &shards[number];
	unsigned taken = 0;
	bool zero;

	lock_take(&shard->lock);
	while (taken < most && (runs[taken] = run_take(shard, SHARD_RESIDENT, granules, 1, &zero)))
		taken++;
	lock_drop(&shard->lock);
	return taken;
}

static char *run_take_locked(unsigned number, enum shard_source source, unsigned granules,
			     unsigned align, bool *zero)
{
	struct shard *shard = &shards[number];
	char *ptr;

	lock_take(&shard->lock);
	ptr = run_take(shard, source, granules, align, zero);
	lock_drop(&shard->lock);
	return ptr;
}

void *shard_take(unsigned number, enum shard_source source, unsigned granules, unsigned align,
		 bool *zero)
{
	struct shard *shard = &shards[number];
	char *ptr;

	lock_take(&shard->lock);
	ptr = run_take(shard, source, granules, align, zero);
	if (!ptr && source != SHARD_RESIDENT && segment_create(number))
		ptr = run_take(shard, source, granules, align, zero);
	lock_drop(&shard->lock);
	/* Another shard may still have room when the system has none. */
	for (unsigned other = 0; !ptr && source != SHARD_RESIDENT && other < count; other++)
		if (other != number)
			ptr = run_take_locked(other, source, granules, align, zero);
	return ptr;
}

static struct segment *segment_of(const void *ptr)
{
	return window.owners[window_slot(ptr)];
}

static unsigned granule_of(const struct segment *segment, const void *ptr)
{
	return (unsigned)(((const char *)ptr - segment->base) >> GRANULE_SHIFT);
}

/* Under the lock. */
static void run_give(struct shard *shard, void *ptr, unsigned granules)
{
	struct segment *segment = segment_of(ptr);
	uint64_t mask = run_mask(granule_of(segment, ptr), granules);

	if (segment->free & mask)
		notice_fatal("double free of", ptr);
	segment->free |= mask;
	segment->dirty |= mask;
	shard->dirty += granules;
	stat_subtract(&shard->out, granules);
	stat_add(&shard->returned, 1);
	if (!segment->listed)
		segment_list(shard, segment);
	if (segment->free == UINT64_MAX &&
	    ++shard->spare > SPARE_LEAST + shard->segments / SPARE_SHARE)
		segment_destroy(shard, segment);
}

void shard_give_all(void **runs, size_t given, unsigned granules)
{
	struct shard *held = NULL;

	for (size_t at = 0; at < given; at++) {
		struct shard *shard = &shards[shard_number(runs[at])];

		for (unsigned granule = 0; granule < granules; granule++)
			window_set((char *)runs[at] + ((size_t)granule << GRANULE_SHIFT), 0);
		if (shard != held) {
			if (held)
				lock_drop(&held->lock);
			lock_take(&shard->lock);
			held = shard;
		}
		run_give(shard, runs[at], granules);
	}
	if (held)
		lock_drop(&held->lock);
}

void shard_give(void *ptr, unsigned granules)
{
	shard_give_all(&ptr, 1, granules);
}

bool shard_extend(void *ptr, unsigned granules, unsigned more)
{
	struct segment *segment = segment_of(ptr);
	struct shard *shard = &shards[segment->shard];
	unsigned first = granule_of(segment, ptr) + granules;
	bool done = false, zero;

	if (first + more > SEGMENT_GRANULES)
		return false;
	lock_take(&shard->lock);
	if ((segment->free & run_mask(first, more)) == run_mask(first, more)) {
		segment_take(shard, segment, first, more, &zero);
		done = true;
	}
	lock_drop(&shard->lock);
	return done;
}

/* Purges the runs of `mask`; what the system refuses stays dirty. */
static size_t segment_purge(struct shard *shard, struct segment *segment, uint64_t mask)
{
	size_t purged = 0;

	while (mask) {
		unsigned first = (unsigned)__builtin_ctzll(mask);
		uint64_t rest = ~(mask >> first);
		unsigned granules = rest ? (unsigned)__builtin_ctzll(rest) : 64 - first;
		size_t bytes = (size_t)granules << GRANULE_SHIFT;

		if (granules > 64 - first)
			granules = 64 - first;
		mask &= ~run_mask(first, granules);
		stat_add_shared(&stat_shared.purge_calls, 1);
		if (!os_purge(segment->base + ((size_t)first << GRANULE_SHIFT), bytes))
			continue;
		segment->dirty &= ~run_mask(first, granules);
		shard->dirty -= granules;
		purged += bytes;
	}
	return purged;
}

size_t shard_purge(unsigned number, bool all)
{
	struct shard *shard = &shards[number];
	struct segment *next;
	size_t purged = 0, destroyed = 0;

	lock_take(&shard->lock);
	for (struct segment *segment = shard->first; segment; segment = next) {
		next = segment->next;
		if (segment->free == UINT64_MAX && (all || segment->stale == segment->dirty)) {
			destroyed += segment_destroy(shard, segment);
			continue;
		}
		purged += segment_purge(shard, segment, all ? segment->dirty : segment->stale);
		segment->stale = segment->dirty;
	}
	lock_drop(&shard->lock);
	stat_add_shared(&stat_shared.purged_bytes, purged);
	return purged + destroyed;
}

static struct slab *segment_find_remote(struct segment *segment, unsigned cls)
{
	for (unsigned at = 0; at < SEGMENT_GRANULES; at++) {
		struct slab *slab = &segment->slabs[at];
		char *base = __atomic_load_n(&segment->base, __ATOMIC_RELAXED);

		if (slab_remote_any(slab) && (window_get(base + ((size_t)at << GRANULE_SHIFT)) &
					      (WINDOW_POOL | WINDOW_CLASS_MASK)) == cls)
			return slab;
	}
	return NULL;
}

struct slab *shard_find_remote(unsigned cls, struct segment **cursor)
{
	for (unsigned looked = 0; looked < LOOKED_MOST; looked++) {
		struct slab *slab;

		if (!*cursor)
			*cursor = atomic_load_explicit(&chain, memory_order_acquire);
		if (!*cursor)
			return NULL;
		slab = segment_find_remote(*cursor, cls);
		if (slab)
			return slab;
		*cursor = (*cursor)->chain;
	}
	return NULL;
}

size_t shard_granules(void)
{
	size_t out = 0;

	for (unsigned number = 0; number < SHARD_MOST; number++)
		out += atomic_load_explicit(&shards[number].out, memory_order_relaxed);
	return out;
}

void shard_stats(struct hak_stats *sum)
{
	for (unsigned number = 0; number < SHARD_MOST; number++) {
		struct shard *shard = &shards[number];

		sum->spans_taken += atomic_load_explicit(&shard->taken, memory_order_relaxed);
		sum->spans_returned += atomic_load_explicit(&shard->returned, memory_order_relaxed);
	}
}

/* Gives back `bytes` of a shard's free pages, the stale ones first, but for the last `left`. */
static size_t shard_release(unsigned number, size_t bytes, size_t left)
{
	struct shard *shard = &shards[number];
	size_t purged = 0;

	lock_take(&shard->lock);
	for (int fresh = 0; fresh < 2; fresh++) {
		for (struct segment *segment = shard->first; segment; segment = segment->next) {
			if (purged >= bytes || shard->dirty << GRANULE_SHIFT <= left)
				break;
			purged += segment_purge(shard, segment,
						fresh ? segment->dirty : segment->stale);
		}
	}
	lock_drop(&shard->lock);
	stat_add_shared(&stat_shared.purged_bytes, purged);
	return purged;
}

void shard_make_room(size_t bytes)
{
	uint64_t mapped = atomic_load_explicit(&stat_shared.mapped_bytes, memory_order_relaxed);
	size_t purged = 0;

	for (unsigned number = 0; number < count && purged < bytes; number++)
		purged += shard_release(number, bytes - purged, mapped / ROOM_SHARE / count);
}

void shard_fork_prepare(void)
{
	for (unsigned number = 0; number < SHARD_MOST; number++)
		lock_take(&shards[number].lock);
}

void shard_fork_done(void)
{
	for (unsigned number = SHARD_MOST; number--;)
		lock_drop(&shards[number].lock);
}
