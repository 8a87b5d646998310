#include "heap.h"

#include <string.h>

#include "depot.h"
#include "meta.h"
#include "notice.h"
#include "shard.h"
#include "stretch.h"
#include "tune.h"

/*
 * A stack starts with room for few blocks. Refills alone make it grow to `passing` of its class;
 * further it grows only at a refill after a flush, which shows that it was too small.
 *
 * After so many refills without a flush, or flushes without a refill, blocks pass through it one
 * way only: another thread frees or allocates them. Until that changes it may have room for
 * `passing` of them even where that is above its class's bound, so that they go in larger batches.
 */
#define ONE_WAY 16
/* Memory that stacks are cut from. */
#define SLOTS_CHUNK ((size_t)4096)

static _Atomic(struct heap *) heaps[HEAP_MOST]; /* by tag; 0 is nobody */
static _Atomic uint32_t heaps_made = 1;

/* Heaps */

struct heap *heap_create(void)
{
	struct heap *heap;
	uint32_t number;

	if (atomic_load_explicit(&heaps_made, memory_order_relaxed) >= HEAP_MOST)
		return NULL;
	heap = meta_take(sizeof(*heap));
	if (!heap)
		return NULL;
	number = atomic_fetch_add_explicit(&heaps_made, 1, memory_order_relaxed);
	if (number >= HEAP_MOST)
		return NULL;
	heap->estate.tag = number << WINDOW_CLASS_BITS;
	heap->shard = (uint8_t)((number - 1) % shard_count());
	heap->parked = cache_first;
	for (unsigned cls = 1; cls < CLASS_TINY_END; cls++)
		heap->parked.word[cls] = estate_word(&heap->estate, cls);
	heap->parked.heap = heap;
	heap->cache = &heap->parked;
	for (unsigned stack = 0; stack < HEAP_STACKS; stack++)
		heap->top[stack] = heap->limit[stack] = &cache_none[1];
	stat_add(&heap->counters.heaps_created, 1);
	/* Release: pairs with the acquire of heap_by_tag and heap_each. */
	atomic_store_explicit(&heaps[number], heap, memory_order_release);
	return heap;
}

struct heap *heap_beside(struct heap *heap, enum heap_pool pool)
{
	if (!heap->pools)
		heap->pools = meta_take(HEAP_POOLS * sizeof(*heap->pools));
	if (!heap->pools)
		return NULL;
	if (!heap->pools[pool]) {
		struct heap *fresh = heap_create();

		if (!fresh)
			return NULL;
		fresh->estate.tag |= WINDOW_POOL;
		fresh->owner = heap;
		heap->pools[pool] = fresh;
	}
	return heap->pools[pool];
}

static void pools_each(struct heap *heap, void (*visit)(struct heap *heap))
{
	for (unsigned pool = 0; heap->pools && pool < HEAP_POOLS; pool++)
		if (heap->pools[pool])
			visit(heap->pools[pool]);
}

struct heap *heap_by_tag(uint32_t tag)
{
	uint32_t number = window_owner(tag);

	return number < HEAP_MOST ? atomic_load_explicit(&heaps[number], memory_order_acquire)
				  : NULL;
}

void heap_each(void (*visit)(struct heap *heap, void *context), void *context)
{
	uint32_t made = atomic_load_explicit(&heaps_made, memory_order_relaxed);

	for (uint32_t number = 1; number < made && number < HEAP_MOST; number++) {
		struct heap *heap = atomic_load_explicit(&heaps[number], memory_order_acquire);

		if (heap)
			visit(heap, context);
	}
}

/* Stacks */

static void **slots_take(struct heap *heap, size_t count)
{
	size_t bytes = count * sizeof(void *);
	char *slots;

	if ((size_t)(heap->slots_end - heap->slots) < bytes) {
		size_t chunk = bytes > SLOTS_CHUNK ? bytes : SLOTS_CHUNK;

		slots = meta_take(chunk);
		if (!slots)
			return NULL;
		heap->slots = slots;
		heap->slots_end = slots + chunk;
	}
	slots = heap->slots;
	heap->slots += bytes;
	return (void **)slots;
}

static bool one_way(const struct heap *heap, unsigned cls)
{
	return heap->streak[cls] >= ONE_WAY || heap->streak[cls] <= -ONE_WAY;
}

/* Counts a refill (1) or a flush (-1). */
static void streak_count(struct heap *heap, unsigned cls, int step)
{
	if (heap->streak[cls] * step < 0)
		heap->streak[cls] = 0;
	if (!one_way(heap, cls))
		heap->streak[cls] += (int8_t)step;
}

/* Blocks for which the stack of `cls` may have room now. */
static unsigned stack_most(const struct heap *heap, unsigned cls)
{
	unsigned most = (unsigned)class_table[cls].cached << tune.cached_shift;
	unsigned passing = class_table[cls].passing;

	return one_way(heap, cls) && passing > most ? passing : most;
}

static unsigned stack_room(struct heap *heap, unsigned cls)
{
	return heap->bottom[cls] ? (unsigned)(*heap_limit(heap, cls) - heap->bottom[cls]) - 1 : 0;
}

static size_t stack_count(struct heap *heap, unsigned cls)
{
	return heap->bottom[cls] ? (size_t)(*heap_top(heap, cls) - heap->bottom[cls]) - 1 : 0;
}

/* Moves the stack of `cls` to where it has so many slots; false: no memory. */
static bool stack_move(struct heap *heap, unsigned cls, unsigned slots)
{
	size_t count = stack_count(heap, cls);
	void **bottom = slots_take(heap, slots + 1);

	if (!bottom)
		return false;
	if (count)
		memcpy(bottom + 1, heap->bottom[cls] + 1, count * sizeof(void *));
	heap->bottom[cls] = bottom;
	heap->slots_of[cls] = (uint16_t)slots;
	*heap_top(heap, cls) = bottom + 1 + count;
	return true;
}

/* Doubles the room of the stack of `cls`; false when it has all it may have, or there is no memory.
 */
static bool stack_grow(struct heap *heap, unsigned cls)
{
	unsigned most = stack_most(heap, cls), had = stack_room(heap, cls);
	unsigned room = had ? 2 * had : class_table[cls].first;

	if (room > most)
		room = most;
	if (room <= had || (room > heap->slots_of[cls] && !stack_move(heap, cls, room)))
		return false;
	*heap_limit(heap, cls) = heap->bottom[cls] + 1 + room;
	return true;
}

/* Takes back what room the stack of `cls` may no longer have. */
static void stack_shrink(struct heap *heap, unsigned cls)
{
	unsigned most = stack_most(heap, cls);

	if (stack_room(heap, cls) > most)
		*heap_limit(heap, cls) = heap->bottom[cls] + 1 + most;
}

/* Gives the empty stack of `cls`, before a refill, the room that it has shown to need. */
static void stack_fit(struct heap *heap, unsigned cls)
{
	bool flushed = heap->streak[cls] < 0;

	streak_count(heap, cls, 1);
	stack_shrink(heap, cls);
	if (flushed || stack_room(heap, cls) < class_table[cls].passing)
		stack_grow(heap, cls);
}

/* True if the heap's slabs of `cls` are its own: a pool's blocks lie apart from all others. */
static bool heap_owns(const struct heap *heap, unsigned cls)
{
	return cls < CLASS_DEPOT || heap->owner;
}

/*
 * Takes blocks on their way back to other heaps, whose threads may never come to take them in.
 * There is nothing to be found while there is but one heap.
 */
static unsigned blocks_steal(struct heap *heap, unsigned cls, void **blocks, unsigned most)
{
	struct slab *slab;
	unsigned count;

	if (cls < CLASS_SHARED || heap->owner ||
	    atomic_load_explicit(&heaps_made, memory_order_relaxed) <= 2)
		return 0;
	slab = shard_find_remote(cls, &heap->next_stolen);
	if (!slab)
		return 0;
	count = slab_remote_take(slab, blocks, most);
	stat_add(&heap->counters.remote_stolen, count);
	return count;
}

/* Refill and flush */

void heap_send(struct heap *heap, struct slab *slab, void *ptr)
{
	if (!slab_has(slab, ptr))
		notice_fatal("free of a pointer that is not the start of a block:", ptr);
	outbox_put(&heap->outbox, slab, ptr, &heap->counters);
}

/* Blocks leave the thread cache: to their slabs, or on their way to the slabs' owners. */
static void blocks_put(struct heap *heap, unsigned cls, void **blocks, size_t count)
{
	if (heap_owns(heap, cls))
		estate_put(&heap->estate, cls, blocks, count, &heap->outbox, &heap->counters);
	else
		depot_put(cls, blocks, count);
}

/* Spans go back to their shards. */
static void spans_give(unsigned cls, void **spans, size_t count)
{
	for (size_t at = 0; at < count; at++)
		if (!window_holds(spans[at]))
			notice_fatal("free of a foreign pointer:", spans[at]);
	shard_give_all(spans, count, class_table[cls].granules);
}

/* Upkeep goes by how many blocks move, so a batch above the class's bound counts as several. */
static void ticks_count(struct heap *heap, unsigned cls, size_t count)
{
	size_t usual = class_table[cls].cached > 1 ? class_table[cls].cached / 2 : 1;

	heap->ticks += count > usual ? (unsigned)(count / usual) : 1;
}

/* Puts the `count` blocks freed longest ago back to their slabs or shards. */
static void stack_flush(struct heap *heap, unsigned cls, size_t count)
{
	void ***top = heap_top(heap, cls);
	void **blocks = heap->bottom[cls] + 1;
	size_t have = stack_count(heap, cls);

	if (cls < CLASS_MID_END)
		blocks_put(heap, cls, blocks, count);
	else
		spans_give(cls, blocks, count);
	memmove(blocks, blocks + count, (have - count) * sizeof(void *));
	*top -= count;
	ticks_count(heap, cls, count);
	stat_add(&heap->counters.flushes, 1);
	stat_add(&heap->counters.flush_blocks, count);
}

/* Empties the stacks of class `from` and above; false when they are empty. */
static bool stacks_flush(struct heap *heap, unsigned from)
{
	bool any = false;

	for (unsigned cls = from; cls < CLASS_END; cls++) {
		size_t count = stack_count(heap, cls);

		if (!count)
			continue;
		stack_flush(heap, cls, count);
		any = true;
	}
	return any;
}

/* Gives the spans and empty slabs that the heap keeps back to their shards; false when it has none.
 */
static bool spare_give(struct heap *heap)
{
	bool any = estate_trim(&heap->estate, &heap->counters);

	any |= depot_trim(heap->shard);
	any |= stretch_release();
	return stacks_flush(heap, CLASS_MID_END) || any;
}

/* A run from the shard: before fresh memory is touched, what the heap keeps makes room. */
static void *run_obtain(struct heap *heap, unsigned granules, bool *zero)
{
	void *ptr = shard_take(heap->shard, SHARD_RESIDENT, granules, 1, zero);

	if (!ptr && spare_give(heap))
		ptr = shard_take(heap->shard, SHARD_RESIDENT, granules, 1, zero);
	return ptr ? ptr : shard_take(heap->shard, SHARD_ANY, granules, 1, zero);
}

/* A run for a slab. Of its first slab a class may never use more than a page. */
static void *slab_run_obtain(struct heap *heap, unsigned cls)
{
	unsigned granules = class_table[cls].granules;
	bool outgrown = heap_owns(heap, cls) ? estate_outgrown(&heap->estate, cls)
					     : depot_has(heap->shard, cls);
	bool zero;

	return outgrown ? run_obtain(heap, granules, &zero)
			: shard_take(heap->shard, SHARD_CLEAN, granules, 1, &zero);
}

/* Takes up to `most` blocks from slabs, of which there may have to be a new one; 0: no memory. */
static unsigned blocks_take(struct heap *heap, unsigned cls, void **blocks, unsigned most)
{
	bool own = heap_owns(heap, cls);
	unsigned count = own ? estate_take(&heap->estate, cls, blocks, most, &heap->counters)
			     : depot_take(heap->shard, cls, blocks, most);
	void *run;

	if (count)
		return count;
	if (own && (count = blocks_steal(heap, cls, blocks, most)))
		return count;
	run = slab_run_obtain(heap, cls);
	if (!run)
		return 0;
	if (!own)
		return depot_add(run, cls, blocks, most);
	estate_add(&heap->estate, run, cls, &heap->counters);
	return estate_take(&heap->estate, cls, blocks, most, &heap->counters);
}

/* Counts what a refill put on the stack of `cls`. */
static void refill_count(struct heap *heap, unsigned cls, unsigned count)
{
	*heap_top(heap, cls) += count;
	ticks_count(heap, cls, count);
	stat_add(&heap->counters.refills, count > 0);
	stat_add(&heap->counters.refill_blocks, count);
}

/* Fills the empty stack of a slab class. False: no memory. */
static bool stack_refill(struct heap *heap, unsigned cls)
{
	unsigned count, room, batch;

	stack_fit(heap, cls);
	room = stack_room(heap, cls);
	if (!room)
		return false;
	batch = one_way(heap, cls) ? room : room >> tune.refill_shift;
	count = blocks_take(heap, cls, *heap_top(heap, cls), batch ? batch : 1);
	refill_count(heap, cls, count);
	return count > 0;
}

/* Fills the empty stack of a span class that spans pass one way, but never from fresh memory. */
static bool spans_refill(struct heap *heap, unsigned cls)
{
	void **spans = *heap_top(heap, cls);
	unsigned room = stack_room(heap, cls), count = 0;

	if (room && one_way(heap, cls))
		count = shard_take_resident(heap->shard, class_table[cls].granules, spans, room);
	for (unsigned at = 0; at < count; at++)
		window_set(spans[at], cls);
	refill_count(heap, cls, count);
	return count > 0;
}

static void *span_alloc(struct heap *heap, unsigned cls, bool *zero)
{
	bool known = false;
	void *ptr;

	stat_add(&heap->counters.large_allocs, 1);
	stack_fit(heap, cls);
	if (spans_refill(heap, cls))
		ptr = *--*heap_top(heap, cls);
	else
		ptr = run_obtain(heap, class_table[cls].granules, &known);
	if (!ptr)
		return NULL;
	window_set(ptr, cls);
	if (zero)
		*zero = known;
	return ptr;
}

void *heap_alloc(struct heap *heap, unsigned cls, bool *zero)
{
	void ***top = heap_top(heap, cls);
	void *ptr = (*top)[-1];

	if (zero)
		*zero = false;
	if (!ptr && cls >= CLASS_MID_END)
		return span_alloc(heap, cls, zero);
	if (!ptr) {
		if (!stack_refill(heap, cls))
			return NULL;
		ptr = (*top)[-1];
	}
	(*top)--;
	return ptr;
}

/* Makes room on the full stack of `cls`. */
static void stack_relieve(struct heap *heap, unsigned cls)
{
	size_t keep = 0;

	streak_count(heap, cls, -1);
	stack_shrink(heap, cls);
	if (!one_way(heap, cls))
		keep = stack_room(heap, cls) / 2;
	else if (stack_room(heap, cls) < class_table[cls].passing && stack_grow(heap, cls))
		return;
	stack_flush(heap, cls, stack_count(heap, cls) - keep);
}

void heap_free(struct heap *heap, unsigned cls, void *ptr)
{
	void ***top = heap_top(heap, cls);

	if ((*top)[-1] == ptr)
		notice_fatal("double free of", ptr);
	if (!heap->bottom[cls] && !stack_grow(heap, cls)) { /* no memory for a stack, or no room */
		if (cls < CLASS_MID_END)
			blocks_put(heap, cls, &ptr, 1);
		else
			spans_give(cls, &ptr, 1);
		return;
	}
	if (*top == *heap_limit(heap, cls))
		stack_relieve(heap, cls);
	*(*top)++ = ptr;
}

/* Draining and upkeep */

bool heap_caches(struct heap *heap)
{
	for (unsigned cls = 1; cls < CLASS_END; cls++)
		if (stack_count(heap, cls))
			return true;
	for (unsigned pool = 0; heap->pools && pool < HEAP_POOLS; pool++)
		if (heap->pools[pool] && heap_caches(heap->pools[pool]))
			return true;
	return false;
}

void heap_drain(struct heap *heap)
{
	stacks_flush(heap, 1);
	outbox_flush(&heap->outbox, &heap->counters);
	estate_collect(&heap->estate, &heap->counters);
	estate_trim(&heap->estate, &heap->counters);
	pools_each(heap, heap_drain);
}

void heap_tick(struct heap *heap)
{
	heap->ticks = 0;
	outbox_flush(&heap->outbox, &heap->counters);
	for (unsigned cls = 1; cls < CLASS_END; cls++) {
		size_t count = stack_count(heap, cls);

		if (count && heap->seen[cls] == *heap_top(heap, cls))
			stack_flush(heap, cls, (count + 1) / 2);
		heap->seen[cls] = *heap_top(heap, cls);
	}
	estate_collect_some(&heap->estate, &heap->counters);
	pools_each(heap, heap_tick);
}
