#include "stretch.h"

#include <string.h>

#include "notice.h"
#include "shard.h"
#include "stat.h"
#include "whale.h"

static size_t most;

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

void *stretch_alloc(unsigned shard, size_t size, bool *zero, struct counters *counters)
{
	size_t granules = granules_of(size);
	struct shard_dirty dirty;
	char *ptr = run_take(shard, granules, &dirty);

	if (!ptr)
		return NULL;
	length_set(ptr, granules);
	/* The clean pages will be touched: as many that lie idle elsewhere go back. */
	if (dirty.granules < granules)
		shard_make_room((granules - dirty.granules) << GRANULE_SHIFT);
	/* Else the caller clears it, no further than the block's end. */
	if (zero && dirty.granules && dirty.granules < granules)
		dirty_clear(ptr, granules, &dirty);
	if (zero)
		*zero = dirty.granules < granules;
	stat_add(&counters->whale_allocs, 1);
	stat_add(&counters->whale_hits, dirty.granules != 0);
	return ptr;
}

void stretch_free(void *ptr, uint32_t word)
{
	if ((uintptr_t)ptr & (GRANULE - 1))
		notice_fatal("free of a pointer that is not the start of a block:", ptr);
	shard_give(ptr, stretch_granules(word));
}

void *stretch_realloc(void *ptr, uint32_t word, size_t size)
{
	size_t granules = stretch_granules(word), wanted = granules_of(size);
	char *moved;

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
