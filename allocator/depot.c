#include "depot.h"

#include <stdatomic.h>

#include "lock.h"
#include "shard.h"
#include "slablist.h"
#include "stat.h"

/* The slabs of one class. */
struct rack {
	_Alignas(64) struct lock lock;
	struct slablist avail; /* slabs with free blocks; those without are in no list */
	/* Written under the lock, read without. */
	_Atomic uint64_t slabs, taken;  /* now; blocks out of them */
	_Atomic uint64_t made, retired; /* slabs, ever */
};

static struct rack racks[SHARD_MOST][CLASS_DEPOT_END - CLASS_DEPOT];

static struct rack *rack_of(unsigned shard, unsigned cls)
{
	return &racks[shard][cls - CLASS_DEPOT];
}

static bool slab_is_empty(const struct slab *slab)
{
	return slab->free_blocks == slab->blocks;
}

/* Under the lock. */
static unsigned rack_take(struct rack *rack, void **blocks, unsigned most)
{
	unsigned count = 0;

	while (count < most && rack->avail.first) {
		struct slab *slab = rack->avail.first;

		count += slab_take(slab, blocks + count, most - count);
		if (!slab->free_blocks)
			slablist_remove(&rack->avail, slab);
	}
	stat_add(&rack->taken, count);
	return count;
}

unsigned depot_take(unsigned shard, unsigned cls, void **blocks, unsigned most)
{
	struct rack *rack = rack_of(shard, cls);
	unsigned count;

	lock_take(&rack->lock);
	count = rack_take(rack, blocks, most);
	lock_drop(&rack->lock);
	return count;
}

unsigned depot_add(void *run, unsigned cls, void **blocks, unsigned most)
{
	struct rack *rack = rack_of(shard_number(run), cls);
	unsigned count;

	lock_take(&rack->lock);
	slablist_push(&rack->avail, segment_slab_form(run, cls, 0, cls));
	stat_add(&rack->slabs, 1);
	stat_add(&rack->made, 1);
	count = rack_take(rack, blocks, most);
	lock_drop(&rack->lock);
	return count;
}

/* Under the lock. */
static void rack_retire(struct rack *rack, struct slab *slab)
{
	slablist_remove(&rack->avail, slab);
	stat_subtract(&rack->slabs, 1);
	stat_add(&rack->retired, 1);
	shard_give(segment_slab_run(slab), slab->granules);
}

/*
 * Puts a slab where it belongs after blocks came back to it. An empty one stays only while its
 * class has no other with free blocks. Under the lock.
 */
static void rack_settle(struct rack *rack, struct slab *slab, unsigned free_before)
{
	struct slab *first = rack->avail.first;

	if (!free_before) {
		if (first && slab_is_empty(first))
			rack_retire(rack, first);
		slablist_append(&rack->avail, slab);
	}
	if (slab_is_empty(slab) && rack->avail.first != rack->avail.last)
		rack_retire(rack, slab);
}

/* Puts back the blocks at the front that lie in one granule; returns how many. Under the lock. */
static size_t rack_put(struct rack *rack, struct slab *slab, void **blocks, size_t count)
{
	uintptr_t granule = (uintptr_t)blocks[0] >> GRANULE_SHIFT;
	unsigned free_before = slab->free_blocks;
	size_t at = 0;

	do
		slab_put(slab, blocks[at++]);
	while (at < count && (uintptr_t)blocks[at] >> GRANULE_SHIFT == granule);
	stat_subtract(&rack->taken, at);
	rack_settle(rack, slab, free_before);
	return at;
}

void depot_put(unsigned cls, void **blocks, size_t count)
{
	struct rack *held = NULL;

	for (size_t at = 0; at < count;) {
		struct slab *slab = segment_slab_checked(cls, blocks[at]);
		struct rack *rack = rack_of(shard_number(blocks[at]), cls);

		if (rack != held) {
			if (held)
				lock_drop(&held->lock);
			lock_take(&rack->lock);
			held = rack;
		}
		at += rack_put(rack, slab, blocks + at, count - at);
	}
	if (held)
		lock_drop(&held->lock);
}

bool depot_has(unsigned shard, unsigned cls)
{
	return atomic_load_explicit(&rack_of(shard, cls)->slabs, memory_order_relaxed) != 0;
}

bool depot_trim(unsigned shard)
{
	bool any = false;

	for (unsigned cls = CLASS_DEPOT; cls < CLASS_DEPOT_END; cls++) {
		struct rack *rack = rack_of(shard, cls);

		if (!depot_has(shard, cls))
			continue;
		lock_take(&rack->lock);
		if (rack->avail.first && slab_is_empty(rack->avail.first)) {
			rack_retire(rack, rack->avail.first);
			any = true;
		}
		lock_drop(&rack->lock);
	}
	return any;
}

static void racks_each(void (*visit)(struct rack *rack, unsigned cls, void *context), void *context)
{
	for (unsigned shard = 0; shard < shard_count(); shard++)
		for (unsigned cls = CLASS_DEPOT; cls < CLASS_DEPOT_END; cls++)
			visit(rack_of(shard, cls), cls, context);
}

static void granules_sum(struct rack *rack, unsigned cls, void *sum)
{
	*(size_t *)sum += class_table[cls].granules *
			  atomic_load_explicit(&rack->slabs, memory_order_relaxed);
}

size_t depot_granules(void)
{
	size_t sum = 0;

	racks_each(granules_sum, &sum);
	return sum;
}

static void taken_sum(struct rack *rack, unsigned cls, void *sum)
{
	*(size_t *)sum +=
		class_table[cls].size * atomic_load_explicit(&rack->taken, memory_order_relaxed);
}

size_t depot_taken_bytes(void)
{
	size_t sum = 0;

	racks_each(taken_sum, &sum);
	return sum;
}

static void stats_sum(struct rack *rack, unsigned cls, void *sum)
{
	struct hak_stats *stats = sum;

	(void)cls;
	stats->slabs_created += atomic_load_explicit(&rack->made, memory_order_relaxed);
	stats->slabs_retired += atomic_load_explicit(&rack->retired, memory_order_relaxed);
}

void depot_stats(struct hak_stats *sum)
{
	racks_each(stats_sum, sum);
}

static void rack_lock(struct rack *rack, unsigned cls, void *context)
{
	(void)cls;
	(void)context;
	lock_take(&rack->lock);
}

static void rack_unlock(struct rack *rack, unsigned cls, void *context)
{
	(void)cls;
	(void)context;
	lock_drop(&rack->lock);
}

void depot_fork_prepare(void)
{
	racks_each(rack_lock, NULL);
}

void depot_fork_done(void)
{
	racks_each(rack_unlock, NULL);
}
