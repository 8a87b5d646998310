#include "stretch.h"

#include <string.h>

#include "notice.h"
#include "shard.h"
#include "stat.h"
#include "whale.h"

#define LENGTH_MASK (GRANULE - 1)

static size_t most;
/*
 * The stretch freed last, and in the low bits its granules; 0: none. Release and acquire: the
 * thread that takes it has seen what the one before did. No lock that a fork could wait for: what
 * another thread is halfway through putting back is lost to the child, like that thread's heap.
 */
static _Atomic uintptr_t last;

void stretch_init(bool on)
{
	most = on ? (size_t)SHARD_RUN_MOST << GRANULE_SHIFT : 0;
}

bool stretch_serves(size_t size, size_t align)
{
	return size > LARGE_MOST && size <= most && align <= GRANULE;
}

static size_t granules_of(size_t size)
{
	return (size + GRANULE - 1) >> GRANULE_SHIFT;
}

static void length_set(void *ptr, size_t granules)
{
	window_set(ptr, (uint32_t)granules << WINDOW_CLASS_BITS | CLASS_STRETCH);
}

/* Clears what of a stretch may hold old bytes. */
static void dirty_clear(char *ptr, size_t granules, const struct shard_dirty *dirty)
{
	char *end = ptr + (granules << GRANULE_SHIFT);
	const uint64_t *bits = dirty->bits;

	for (char *base = ptr - ((uintptr_t)ptr & (SLOT - 1)); base < end; base += SLOT) {
		for (uint64_t left = *bits++; left;) {
			unsigned first = (unsigned)__builtin_ctzll(left);
			unsigned ones = segment_ones(left, first);

			memset(base + ((size_t)first << GRANULE_SHIFT), 0,
			       (size_t)ones << GRANULE_SHIFT);
			left &= ~segment_mask(first, ones);
		}
	}
}

/* From whichever shard has room, else from fresh segments of this one. */
static char *run_take(unsigned shard, size_t granules, struct shard_dirty *dirty)
{
	unsigned shards = shard_count();
	char *ptr = NULL;

	for (unsigned at = 0; !ptr && shards > 1 && at < shards; at++)
		ptr = shard_take_run((shard + at) % shards, SHARD_MAPPED, granules, 1, dirty);
	return ptr ? ptr : shard_take_run(shard, SHARD_ANY, granules, 1, dirty);
}

bool stretch_release(void)
{
	uintptr_t kept = atomic_exchange_explicit(&last, 0, memory_order_acq_rel);

	if (kept)
		shard_give((void *)(kept & ~LENGTH_MASK), kept & LENGTH_MASK);
	return kept != 0;
}

size_t stretch_kept_bytes(void)
{
	return (atomic_load_explicit(&last, memory_order_relaxed) & LENGTH_MASK) << GRANULE_SHIFT;
}

/* The one freed last, if it has this length: sizes that repeat need no lock and no search. */
static char *last_take(size_t granules)
{
	uintptr_t kept = atomic_load_explicit(&last, memory_order_relaxed);

	if ((kept & LENGTH_MASK) == granules &&
	    atomic_compare_exchange_strong_explicit(&last, &kept, 0, memory_order_acq_rel,
						    memory_order_relaxed))
		return (char *)(kept & ~LENGTH_MASK);
	stretch_release();
	return NULL;
}

void *stretch_alloc(unsigned shard, size_t size, bool *zero, struct counters *counters)
{
	size_t granules = granules_of(size);
	struct shard_dirty dirty = {.granules = granules};
	char *ptr = last_take(granules);

	if (!ptr)
		ptr = run_take(shard, granules, &dirty);
	if (!ptr)
		return NULL;
	length_set(ptr, granules);
	/* Else the caller clears it, no further than the block's end. */
	if (zero && dirty.granules && dirty.granules < granules) {
		dirty_clear(ptr, granules, &dirty);
		stat_add_shared(&stat_shared.zero_skipped_bytes,
				-(uint64_t)(dirty.granules << GRANULE_SHIFT));
	}
	if (zero)
		*zero = dirty.granules < granules;
	stat_add(&counters->whale_allocs, 1);
	stat_add(&counters->whale_hits, dirty.granules != 0);
	return ptr;
}

void stretch_free(void *ptr, uint32_t word)
{
	uintptr_t kept;

	if ((uintptr_t)ptr & (GRANULE - 1))
		notice_fatal("free of a pointer that is not the start of a block:", ptr);
	/* A second free of it finds nothing there. */
	if (!window_clear(ptr, word))
		notice_fatal("double free of", ptr);
	kept = atomic_exchange_explicit(&last, (uintptr_t)ptr | stretch_granules(word),
					memory_order_acq_rel);
	if (kept)
		shard_give((void *)(kept & ~LENGTH_MASK), kept & LENGTH_MASK);
}

void *stretch_realloc(void *ptr, uint32_t word, size_t size)
{
	size_t granules = stretch_granules(word), wanted;
	char *moved;

	if (size > PTRDIFF_MAX)
		return NULL;
	wanted = granules_of(size);
	stretch_release(); /* It may lie right behind. */
	if (wanted < granules)
		shard_give((char *)ptr + (wanted << GRANULE_SHIFT), granules - wanted);
	if (wanted <= granules ||
	    (wanted <= most >> GRANULE_SHIFT && shard_extend(ptr, granules, wanted - granules))) {
		length_set(ptr, wanted);
		stat_add_shared(&stat_shared.realloc_in_place, 1);
		return ptr;
	}
	moved = whale_adopt(ptr, granules << GRANULE_SHIFT, size);
	if (moved)
		shard_give(ptr, granules);
	return moved;
}
