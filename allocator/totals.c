#include "totals.h"

#include "depot.h"
#include "heap.h"
#include "lock.h"
#include "notice.h"
#include "option.h"
#include "os.h"
#include "shard.h"
#include "stretch.h"
#include "thread.h"
#include "whale.h"

#define STDERR 2

static void counters_sum(struct heap *heap, void *sum)
{
	stat_sum(sum, &heap->counters);
}

void totals_stats(struct hak_stats *stats)
{
	*stats = (struct hak_stats){.size = sizeof(*stats), .version = HAK_STATS_VERSION};
	stat_sum(stats, &stat_shared);
	heap_each(counters_sum, stats);
	shard_stats(stats);
	depot_stats(stats);
	stats->lock_waits += atomic_load_explicit(&lock_waits, memory_order_relaxed);
	stats->whale_kept_bytes = whale_kept_bytes() + stretch_kept_bytes();
}

struct held {
	size_t taken_bytes;
	size_t slab_granules;
};

static void held_sum(struct heap *heap, void *context)
{
	struct held *sum = context;

	sum->taken_bytes += atomic_load_explicit(&heap->estate.taken_bytes, memory_order_relaxed);
	sum->slab_granules +=
		atomic_load_explicit(&heap->estate.slab_granules, memory_order_relaxed);
}

/* Other threads go on while this one reads: what belongs to a sum may not be in it yet. */
static size_t less_or_none(size_t sum, size_t part)
{
	return sum > part ? sum - part : 0;
}

size_t totals_live_bytes(void)
{
	struct held sum = {depot_taken_bytes(), depot_granules()};
	size_t granules = shard_granules(), given_out;

	heap_each(held_sum, &sum);
	given_out = sum.taken_bytes + whale_live_bytes() +
		    (less_or_none(granules, sum.slab_granules) << GRANULE_SHIFT);
	return less_or_none(given_out, stretch_kept_bytes());
}

void totals_print(void)
{
	struct hak_stats stats;

	totals_stats(&stats);
	stat_print(STDERR, &stats);
}

/* A program that never allocates has options, and counters, as well. */
__attribute__((constructor)) static void totals_start(void)
{
	thread_start();
}

/* stats=1 and stats=FILE: at the end of the process. */
__attribute__((destructor)) static void totals_write(void)
{
	struct hak_stats stats;
	int fd;

	if (options.stats)
		totals_print();
	if (!options.stats_file[0])
		return;
	fd = os_create(options.stats_file);
	if (fd < 0) {
		notice_warning("cannot write the counters to", options.stats_file);
		return;
	}
	totals_stats(&stats);
	stat_print_json(fd, &stats);
	os_close(fd);
}
