#include "shard.h"

#include "lock.h"
#include "meta.h"
#include "notice.h"
#include "os.h"
#include "segmentlist.h"
#include "stat.h"
#include "whale.h"

/* Segments with nothing given out stay mapped up to so many and such a share of all. */
#define SPARE_LEAST 8
#define SPARE_SHARE 2
/*
 * Granules that may be resident, given out or idle: as many as were given out of late, such a share
 * of these, and a few.
 */
#define IDLE_SHARE 2
#define IDLE_LEAST 64

/* Segments that a look for remote frees goes through. */
#define LOOKED_MOST 2
/* Segments that a run is looked for in once one fits. */
#define COMPARED_MOST 4

/* Processors to a shard: more shards wait less for each other's locks, and fill their segments
 * worse. */
#define SHARD_CPUS 4

struct shard {
	_Alignas(64) struct lock lock;
	/* Segments with free granules: spans are taken from the first, and leave the last to
	 * Whales. */
	struct segmentlist list;
	unsigned segments;       /* in all */
	unsigned spare;          /* of these, with nothing given out */
	struct segment *records; /* unused */
	size_t dirty;            /* granules that are free and may be resident */
	size_t peak;             /* granules given out at once, the most of late */
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
	segment->owner.shard = (uint8_t)(shard - shards);
	segment->chain = atomic_load_explicit(&chain, memory_order_relaxed);
	/* Release: pairs with the acquire in shard_find_remote. */
	while (!atomic_compare_exchange_weak_explicit(&chain, &segment->chain, segment,
						      memory_order_release, memory_order_relaxed))
		;
	return segment;
}

static void slots_unmap(char *base, size_t bytes)
{
	os_unmap(base, bytes);
	stat_add_shared(&stat_shared.munmap_calls, 1);
	window_release(base, bytes);
	window_count(-(int64_t)bytes);
}

/* Unmaps a segment of which nothing is given out; returns how many bytes of it may have been
 * resident. */
static size_t segment_destroy(struct shard *shard, struct segment *segment)
{
	size_t bytes = (size_t)__builtin_popcountll(segment->dirty) << GRANULE_SHIFT;

	slots_unmap(segment->base, SLOT);
	shard->segments--;
	shard->spare--;
	shard->dirty -= (size_t)__builtin_popcountll(segment->dirty);
	segment->free = segment->dirty = segment->stale = 0;
	segmentlist_settle(&shard->list, segment);
	segment->next = shard->records;
	shard->records = segment;
	stat_add_shared(&stat_shared.purged_bytes, bytes);
	return bytes;
}

/* Makes a mapped slot a segment with nothing given out; false: no memory for the record. */
static bool segment_create(struct shard *shard, char *base)
{
	struct segment *segment = record_take(shard);

	if (!segment)
		return false;
	shard->segments++;
	shard->spare++;
	__atomic_store_n(&segment->base, base, __ATOMIC_RELAXED);
	segment->free = UINT64_MAX;
	window_own(window_slot(base), &segment->owner);
	segmentlist_settle(&shard->list, segment);
	return true;
}

/* Maps segments for a run of `granules`. */
static bool segments_create(struct shard *shard, size_t granules)
{
	size_t bytes = ((granules << GRANULE_SHIFT) + SLOT - 1) & ~(SLOT - 1);
	char *base;

	whale_release(bytes);
	base = window_take(bytes, SLOT);
	if (!base)
		return false;
	for (size_t at = 0; at < bytes; at += SLOT) {
		if (segment_create(shard, base + at))
			continue;
		slots_unmap(base + at, bytes - at);
		return false;
	}
	if (!shard->used) {
		shard->used = true;
		stat_add_shared(&stat_shared.shards_used, 1);
	}
	return true;
}

/* Gives out free granules of one segment; which of them may hold old bytes. */
static uint64_t segment_take(struct shard *shard, struct segment *segment, unsigned first,
			     unsigned granules)
{
	uint64_t mask = segment_mask(first, granules);
	uint64_t dirty = segment->dirty & mask;

	if (segment->free == UINT64_MAX)
		shard->spare--;
	segment->free &= ~mask;
	shard->dirty -= (size_t)__builtin_popcountll(dirty);
	segment->dirty &= ~mask;
	segment->stale &= ~mask;
	segmentlist_settle(&shard->list, segment);
	return dirty;
}

static bool spare_over(const struct shard *shard)
{
	return shard->spare > SPARE_LEAST + shard->segments / SPARE_SHARE;
}

/* Destroys a spare segment, and the next ones from the end, while there are too many. */
static void spare_trim(struct shard *shard, struct segment *segment)
{
	if (!spare_over(shard))
		return;
	segment_destroy(shard, segment);
	segment = shard->list.last;
	while (segment && segment->room == SEGMENT_ROOMY && spare_over(shard)) {
		struct segment *before = segment->prev;

		if (segment->free == UINT64_MAX)
			segment_destroy(shard, segment);
		segment = before;
	}
}

/* Takes a segment's granules back; false: they are free already. */
static bool segment_give(struct shard *shard, struct segment *segment, unsigned first,
			 unsigned granules)
{
	uint64_t mask = segment_mask(first, granules);

	if (segment->free & mask)
		return false;
	segment->free |= mask;
	segment->dirty |= mask;
	shard->dirty += granules;
	segmentlist_settle(&shard->list, segment);
	if (segment->free == UINT64_MAX) {
		shard->spare++;
		spare_trim(shard, segment);
	}
	return true;
}

/* As segment_purge; bytes. */
static size_t dirty_purge(struct shard *shard, struct segment *segment, uint64_t mask)
{
	unsigned purged = segment_purge(segment, mask);

	if (!purged)
		return 0;
	shard->dirty -= purged;
	stat_add_shared(&stat_shared.purged_bytes, (uint64_t)purged << GRANULE_SHIFT);
	return (size_t)purged << GRANULE_SHIFT;
}

static bool idle_over(const struct shard *shard)
{
	return shard->out + shard->dirty > shard->peak + shard->peak / IDLE_SHARE + IDLE_LEAST;
}

/* Gives back idle pages while there are too many: the stale ones first. What the system refuses to
 * take back (locked pages) it is not asked for again before the next step of decay. */
static void idle_trim(struct shard *shard)
{
	for (int fresh = 0; fresh < 2; fresh++)
		for (struct segment *segment = shard->list.last; segment; segment = segment->prev) {
			uint64_t mask = fresh ? segment->dirty : segment->stale;

			if (!idle_over(shard))
				return;
			if (mask && !dirty_purge(shard, segment, mask)) {
				shard->peak = shard->out + shard->dirty;
				return;
			}
		}
}

/* Gives out a free run. */
static void run_claim(struct shard *shard, char *ptr, size_t granules, struct shard_dirty *dirty)
{
	uint64_t *bits = dirty->bits;

	dirty->granules = shard->dirty;
	stat_add(&shard->out, granules);
	if (shard->out > shard->peak)
		shard->peak = shard->out;
	while (granules) {
		struct segment *segment = segment_of(ptr);
		unsigned part = segment_part(segment, ptr, granules);

		*bits++ = segment_take(shard, segment, segment_granule(segment, ptr), part);
		ptr += (size_t)part << GRANULE_SHIFT;
		granules -= part;
	}
	dirty->granules -= shard->dirty;
	idle_trim(shard);
}

/* What taking a run costs, the less the better: memory of the wrong kind most, then the room that
 * is left. 64 in *first: no run. */
static unsigned run_cost(const struct segment *segment, enum shard_source source, unsigned granules,
			 unsigned align, unsigned *first)
{
	uint64_t clean = segment->free & ~segment->dirty;
	unsigned length;

	*first = segment_best(source == SHARD_CLEAN ? clean : segment->dirty, granules, align,
			      &length);
	if (*first == 64 && source != SHARD_RESIDENT) {
		*first = segment_best(segment->free, granules, align, &length);
		length += SEGMENT_GRANULES;
	}
	return length;
}

/* The cheapest run of the first few segments that may have one, and of equals the first. */
static char *span_find(const struct shard *shard, enum shard_source source, unsigned granules,
		       unsigned align)
{
	unsigned best_cost = UINT32_MAX, looked = 0;
	char *best = NULL;

	if (source == SHARD_RESIDENT && shard->dirty < granules)
		return NULL;
	for (struct segment *segment = shard->list.first; segment; segment = segment->next) {
		unsigned first, cost = run_cost(segment, source, granules, align, &first);

		if (first < 64 && cost < best_cost) {
			best = segment->base + ((size_t)first << GRANULE_SHIFT);
			best_cost = cost;
			if (cost == granules)
				break;
		}
		if (best && ++looked == COMPARED_MOST)
			break;
	}
	return best;
}

static char *run_take(struct shard *shard, enum shard_source source, size_t granules,
		      unsigned align, struct shard_dirty *dirty)
{
	char *ptr = granules > SHARD_SPAN_MOST
			    ? segment_stretch(shard->list.last, granules)
			    : span_find(shard, source, (unsigned)granules, align);

	if (!ptr)
		return NULL;
	run_claim(shard, ptr, granules, dirty);
	stat_add(&shard->taken, 1);
	return ptr;
}

unsigned shard_take_resident(unsigned number, unsigned granules, void **runs, unsigned most)
{
	struct shard *shard = &shards[number];
	struct shard_dirty dirty;
	unsigned taken = 0;

	lock_take(&shard->lock);
	while (taken < most && (runs[taken] = run_take(shard, SHARD_RESIDENT, granules, 1, &dirty)))
		taken++;
	lock_drop(&shard->lock);
	return taken;
}

static char *run_take_locked(unsigned number, enum shard_source source, size_t granules,
			     unsigned align, struct shard_dirty *dirty)
{
	struct shard *shard = &shards[number];
	char *ptr;

	lock_take(&shard->lock);
	ptr = run_take(shard, source, granules, align, dirty);
	lock_drop(&shard->lock);
	return ptr;
}

void *shard_take_run(unsigned number, enum shard_source source, size_t granules, unsigned align,
		     struct shard_dirty *dirty)
{
	bool fresh = source != SHARD_RESIDENT && source != SHARD_MAPPED;
	struct shard *shard = &shards[number];
	char *ptr;

	lock_take(&shard->lock);
	ptr = run_take(shard, source, granules, align, dirty);
	if (!ptr && fresh && segments_create(shard, granules))
		ptr = run_take(shard, source, granules, align, dirty);
	lock_drop(&shard->lock);
	/* Another shard may still have room when the system has none. */
	for (unsigned other = 0; !ptr && fresh && other < count; other++)
		if (other != number)
			ptr = run_take_locked(other, source, granules, align, dirty);
	return ptr;
}

void *shard_take(unsigned number, enum shard_source source, unsigned granules, unsigned align,
		 bool *zero)
{
	struct shard_dirty dirty = {.granules = 0};
	void *ptr = shard_take_run(number, source, granules, align, &dirty);

	*zero = !dirty.granules;
	return ptr;
}

/* Of a slab all granules have a word, of other runs at most the first. */
static void words_clear(char *ptr, size_t granules)
{
	unsigned cls = window_get(ptr) & WINDOW_CLASS_MASK;
	size_t words = cls && cls < CLASS_MID_END ? granules : 1;

	for (size_t at = 0; at < words; at++)
		window_set(ptr + (at << GRANULE_SHIFT), 0);
}

/* Under the lock. */
static void run_give(struct shard *shard, void *ptr, size_t granules)
{
	char *at = ptr;

	stat_subtract(&shard->out, granules);
	stat_add(&shard->returned, 1);
	while (granules) {
		struct segment *segment = segment_of(at);
		unsigned part = segment_part(segment, at, granules);

		if (!segment_give(shard, segment, segment_granule(segment, at), part))
			notice_fatal("double free of", ptr);
		at += (size_t)part << GRANULE_SHIFT;
		granules -= part;
	}
}

void shard_give_all(void **runs, size_t given, size_t granules)
{
	struct shard *held = NULL;

	for (size_t at = 0; at < given; at++) {
		struct shard *shard = &shards[shard_number(runs[at])];

		words_clear(runs[at], granules);
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

void shard_give(void *ptr, size_t granules)
{
	shard_give_all(&ptr, 1, granules);
}

bool shard_extend(void *ptr, size_t granules, size_t more)
{
	char *end = (char *)ptr + (granules << GRANULE_SHIFT);
	struct segment *segment = segment_of(end - GRANULE);
	struct shard *shard = &shards[segment->owner.shard];
	struct shard_dirty dirty;
	bool done;

	lock_take(&shard->lock);
	done = segment_is_free(segment, segment_granule(segment, end), more);
	if (done)
		run_claim(shard, end, more, &dirty);
	lock_drop(&shard->lock);
	return done;
}

size_t shard_purge(unsigned number, bool all)
{
	struct shard *shard = &shards[number];
	struct segment *next;
	size_t bytes = 0;

	lock_take(&shard->lock);
	for (struct segment *segment = shard->list.first; segment; segment = next) {
		next = segment->next;
		if (segment->free == UINT64_MAX && (all || segment->stale == segment->dirty)) {
			bytes += segment_destroy(shard, segment);
			continue;
		}
		bytes += dirty_purge(shard, segment, all ? segment->dirty : segment->stale);
		segment->stale = segment->dirty;
	}
	shard->peak -= (shard->peak - shard->out) / 2;
	idle_trim(shard);
	lock_drop(&shard->lock);
	return bytes;
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

uint64_t shard_returned(void)
{
	uint64_t sum = 0;

	for (unsigned number = 0; number < SHARD_MOST; number++)
		sum += atomic_load_explicit(&shards[number].returned, memory_order_relaxed);
	return sum;
}

void shard_stats(struct hak_stats *sum)
{
	for (unsigned number = 0; number < SHARD_MOST; number++) {
		struct shard *shard = &shards[number];

		sum->spans_taken += atomic_load_explicit(&shard->taken, memory_order_relaxed);
		sum->spans_returned += atomic_load_explicit(&shard->returned, memory_order_relaxed);
	}
}

void shard_make_room(size_t bytes)
{
	size_t granules = bytes >> GRANULE_SHIFT;

	for (unsigned number = 0; number < count && granules; number++) {
		struct shard *shard = &shards[number];
		size_t less;

		lock_take(&shard->lock);
		less = shard->peak - shard->out < granules ? shard->peak - shard->out : granules;
		shard->peak -= less;
		granules -= less;
		idle_trim(shard);
		lock_drop(&shard->lock);
	}
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
