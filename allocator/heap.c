#include "heap.h"

#include <string.h>

#include "lock.h"
#include "meta.h"
#include "notice.h"
#include "shard.h"
#include "tune.h"

/*
 * A stack starts with room for few blocks. Refills alone make it grow to so many bytes; further it
 * grows only at a refill after a flush, which shows that it was too small.
 */
#define REFILL_BYTES ((size_t)16 << 10)
/* Full slabs that are searched for remote frees before a new slab is made. */
#define SEARCH 16
/* Empty slabs that a heap keeps, in granules. */
#define EMPTY_MOST 8
/* Classes whose slabs a tick searches for remote frees. */
#define TICK_CLASSES 8
/* Memory that stacks are cut from. */
#define SLOTS_CHUNK ((size_t)4096)

static _Atomic(struct heap *) heaps[HEAP_MOST]; /* by tag; 0 is nobody */
static _Atomic uint32_t heaps_made = 1;

/* Heaps */

/* The map's word of the heap's blocks of `cls`. */
static uint32_t heap_word(const struct heap *heap, unsigned cls)
{
	return cls < CLASS_SHARED || heap->tag & WINDOW_POOL ? heap->tag | cls : cls;
}

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
	heap->tag = number << WINDOW_CLASS_BITS;
	heap->shard = (uint8_t)((number - 1) % shard_count());
	heap->parked = cache_first;
	for (unsigned cls = 1; cls < CLASS_TINY_END; cls++)
		heap->parked.word[cls] = heap_word(heap, cls);
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
		fresh->tag |= WINDOW_POOL;
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

/* Doubles the room of the stack of `cls`; false when it has all it may have, or there is no memory.
 */
static bool stack_grow(struct heap *heap, unsigned cls)
{
	void ***top = heap_top(heap, cls);
	unsigned most = (unsigned)class_table[cls].cached << tune.cached_shift;
	unsigned room = heap->room[cls] ? 2u * heap->room[cls] : class_table[cls].first;
	size_t count = 0;
	void **bottom;

	if (room > most)
		room = most;
	if (room <= heap->room[cls])
		return false;
	bottom = slots_take(heap, room + 1);
	if (!bottom)
		return false;
	if (heap->bottom[cls]) {
		count = (size_t)(*top - heap->bottom[cls]) - 1;
		memcpy(bottom + 1, heap->bottom[cls] + 1, count * sizeof(void *));
	}
	heap->bottom[cls] = bottom;
	heap->room[cls] = (uint16_t)room;
	*top = bottom + 1 + count;
	*heap_limit(heap, cls) = bottom + 1 + room;
	return true;
}

static size_t stack_count(struct heap *heap, unsigned cls)
{
	return heap->bottom[cls] ? (size_t)(*heap_top(heap, cls) - heap->bottom[cls]) - 1 : 0;
}

/* Slabs */

static void slab_own(struct heap *heap, struct slab *slab, char *ptr, unsigned cls)
{
	unsigned granules = class_table[cls].granules;

	slab_format(slab, ptr, cls);
	for (unsigned at = 0; at < granules; at++) {
		slab[at].before = (uint8_t)at;
		window_set(ptr + ((size_t)at << GRANULE_SHIFT), heap_word(heap, cls));
	}
	slab->tag = heap->tag;
	stat_add(&heap->counters.slabs_created, 1);
}

static char *slab_run(const struct slab *slab)
{
	return (char *)((uintptr_t)slab->start & ~(GRANULE - 1));
}

static void slab_retire(struct heap *heap, struct slab *slab)
{
	stat_subtract(&heap->slab_granules, slab->granules);
	stat_add(&heap->counters.slabs_retired, 1);
	shard_give(slab_run(slab), slab->granules);
}

/* Retires the slabs that have been empty for longest, down to `most` granules. */
static void empty_trim(struct heap *heap, unsigned most)
{
	while (heap->empty_granules > most) {
		struct slab *slab = heap->empty.last;

		slablist_remove(&heap->empty, slab);
		heap->empty_granules -= slab->granules;
		slab_retire(heap, slab);
	}
}

static void slab_make_empty(struct heap *heap, struct slab *slab)
{
	slablist_push(&heap->empty, slab);
	heap->empty_granules += slab->granules;
	empty_trim(heap, EMPTY_MOST);
}

/* Puts a slab where it belongs after blocks came back to it. */
static void slab_settle(struct heap *heap, struct slab *slab, unsigned free_before)
{
	if (slab->free_blocks == slab->blocks) {
		slablist_remove(free_before ? &heap->avail[slab->cls] : &heap->full[slab->cls],
				slab);
		slab_make_empty(heap, slab);
	} else if (!free_before && slab->free_blocks) {
		slablist_remove(&heap->full[slab->cls], slab);
		slablist_append(&heap->avail[slab->cls], slab);
	}
}

static void slab_collect(struct heap *heap, struct slab *slab)
{
	unsigned free_before = slab->free_blocks;
	unsigned count = slab_remote_collect(slab);

	stat_subtract(&heap->taken_bytes, (uint64_t)count * class_table[slab->cls].size);
	stat_add(&heap->counters.remote_drained, count);
	slab_settle(heap, slab, free_before);
}

/* Takes an empty slab of the heap's own for `class`: one of the same class, else one of the same
 * length. */
static struct slab *empty_take(struct heap *heap, unsigned cls)
{
	struct slab *fit = NULL;

	for (struct slab *slab = heap->empty.first; slab; slab = slab->next) {
		if (slab->cls == cls) {
			fit = slab;
			break;
		}
		if (slab->granules == class_table[cls].granules)
			fit = slab;
	}
	if (!fit)
		return NULL;
	slablist_remove(&heap->empty, fit);
	heap->empty_granules -= fit->granules;
	if (fit->cls != cls)
		slab_own(heap, fit, slab_run(fit), cls);
	return fit;
}

/* Looks for remote frees in some of the class's full slabs, the longest not looked at first. */
static void full_search(struct heap *heap, unsigned cls)
{
	struct slablist *full = &heap->full[cls];
	struct slab *last = full->last;

	for (unsigned looked = 0; looked < SEARCH && full->first; looked++) {
		struct slab *slab = full->first;

		if (slab_remote_any(slab)) {
			slab_collect(heap, slab);
		} else {
			slablist_remove(full, slab);
			slablist_append(full, slab);
		}
		if (slab == last)
			return;
	}
}

/* A slab of `cls` with free blocks among those that the heap has; NULL: none. */
static struct slab *slab_find(struct heap *heap, unsigned cls)
{
	struct slablist *avail = &heap->avail[cls];
	struct slab *slab;

	while ((slab = avail->first) && slab_remote_any(slab)) {
		slab_collect(heap, slab);
		if (slab == avail->first)
			return slab;
	}
	if (!avail->first)
		full_search(heap, cls);
	if (avail->first)
		return avail->first;
	slab = empty_take(heap, cls);
	if (slab)
		slablist_push(avail, slab);
	return slab;
}

/*
 * Fills the empty stack with blocks on their way back to other heaps, whose threads may never come
 * to take them in. There is nothing to be found while there is but one heap.
 */
static bool stack_steal(struct heap *heap, unsigned cls)
{
	void ***top = heap_top(heap, cls);
	struct slab *slab;
	unsigned count;

	if (cls < CLASS_SHARED || heap->owner ||
	    atomic_load_explicit(&heaps_made, memory_order_relaxed) <= 2)
		return false;
	slab = shard_find_remote(cls, &heap->next_stolen);
	if (!slab)
		return false;
	count = slab_remote_take(slab, *top, heap->room[cls]);
	*top += count;
	stat_add(&heap->counters.remote_stolen, count);
	return count > 0;
}

/* Refill and flush */

void heap_send(struct heap *heap, struct slab *slab, void *ptr)
{
	if (!slab_has(slab, ptr))
		notice_fatal("free of a pointer that is not the start of a block:", ptr);
	outbox_put(&heap->outbox, slab, ptr, &heap->counters);
}

static inline struct slab *slab_of(unsigned cls, void *ptr)
{
	/* The fast path took the address modulo the window; an alias of a block shows here. So does
	 * a block that was free already when its slab went back. */
	if (!window_holds(ptr))
		notice_fatal("free of a foreign pointer:", ptr);
	if ((window_get(ptr) & WINDOW_CLASS_MASK) != cls)
		notice_fatal("double free of", ptr);
	return shard_slab_head(ptr);
}

/* Blocks leave the thread cache: to their slabs, or on their way to the slabs' owners. */
static void blocks_put(struct heap *heap, unsigned cls, void **blocks, size_t count)
{
	size_t at = 0, own = 0;

	while (at < count) {
		uintptr_t granule = (uintptr_t)blocks[at] >> GRANULE_SHIFT;
		struct slab *slab = slab_of(cls, blocks[at]);
		unsigned free_before;

		if (slab->tag != heap->tag) {
			heap_send(heap, slab, blocks[at++]);
			continue;
		}
		free_before = slab->free_blocks;
		do {
			slab_put(slab, blocks[at++]);
			own++;
		} while (at < count && (uintptr_t)blocks[at] >> GRANULE_SHIFT == granule);
		slab_settle(heap, slab, free_before);
	}
	stat_subtract(&heap->taken_bytes, own * class_table[cls].size);
}

/* Spans go back to their shards. */
static void spans_give(unsigned cls, void **spans, size_t count)
{
	for (size_t at = 0; at < count; at++) {
		if (!window_holds(spans[at]))
			notice_fatal("free of a foreign pointer:", spans[at]);
		shard_give(spans[at], class_table[cls].granules);
	}
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
	heap->ticks++;
	heap->flushed[cls] = true;
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
	bool any = heap->empty_granules != 0;

	empty_trim(heap, 0);
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

static struct slab *slab_create(struct heap *heap, unsigned cls)
{
	unsigned granules = class_table[cls].granules;
	struct slab *slab;
	bool zero;
	char *ptr;

	/* Of its first slab a class may never use more than a page. */
	if (heap->full[cls].first)
		ptr = run_obtain(heap, granules, &zero);
	else
		ptr = shard_take(heap->shard, SHARD_CLEAN, granules, 1, &zero);
	if (!ptr)
		return NULL;
	slab = shard_slab(ptr);
	slab_own(heap, slab, ptr, cls);
	stat_add(&heap->slab_granules, slab->granules);
	slablist_push(&heap->avail[cls], slab);
	return slab;
}

/* Fills the empty stack of a slab class. False: no memory. */
static bool stack_refill(struct heap *heap, unsigned cls)
{
	struct slab *slab;
	unsigned count, room, batch;
	void ***top;

	room = heap->room[cls];
	if (!room || heap->flushed[cls] || room * class_table[cls].size < REFILL_BYTES)
		stack_grow(heap, cls);
	if (!heap->room[cls])
		return false;
	heap->flushed[cls] = false;
	slab = slab_find(heap, cls);
	if (!slab && stack_steal(heap, cls))
		return true;
	if (!slab)
		slab = slab_create(heap, cls);
	if (!slab)
		return false;
	room = heap->room[cls];
	top = heap_top(heap, cls);
	batch = room >> tune.refill_shift;
	count = slab_take(slab, *top, batch ? batch : 1);
	*top += count;
	if (!slab->free_blocks) {
		slablist_remove(&heap->avail[cls], slab);
		slablist_append(&heap->full[cls], slab);
	}
	stat_add(&heap->taken_bytes, (uint64_t)count * class_table[cls].size);
	heap->ticks++;
	stat_add(&heap->counters.refills, 1);
	stat_add(&heap->counters.refill_blocks, count);
	return true;
}

static void *span_alloc(struct heap *heap, unsigned cls, bool *zero)
{
	bool known;
	char *ptr = run_obtain(heap, class_table[cls].granules, &known);

	heap->ticks++;
	stat_add(&heap->counters.large_allocs, 1);
	if (!ptr)
		return NULL;
	if (heap->flushed[cls])
		stack_grow(heap, cls);
	heap->flushed[cls] = false;
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

void heap_free(struct heap *heap, unsigned cls, void *ptr)
{
	void ***top = heap_top(heap, cls);

	if ((*top)[-1] == ptr)
		notice_fatal("double free of", ptr);
	if (*top == *heap_limit(heap, cls) && (heap->room[cls] || !stack_grow(heap, cls))) {
		size_t count = stack_count(heap, cls);

		if (!heap->room[cls]) { /* no memory for a stack */
			if (cls < CLASS_MID_END)
				blocks_put(heap, cls, &ptr, 1);
			else
				spans_give(cls, &ptr, 1);
			return;
		}
		stack_flush(heap, cls, (count + 1) / 2);
	}
	*(*top)++ = ptr;
}

/* Handing over, draining, upkeep */

static void list_collect(struct heap *heap, struct slablist *list)
{
	struct slab *next;

	for (struct slab *slab = list->first; slab; slab = next) {
		next = slab->next;
		if (slab_remote_any(slab))
			slab_collect(heap, slab);
	}
}

/* Takes in remote frees of every class. */
static void heap_collect(struct heap *heap)
{
	for (unsigned cls = 1; cls < CLASS_MID_END; cls++) {
		list_collect(heap, &heap->full[cls]);
		list_collect(heap, &heap->avail[cls]);
	}
}

void heap_drain(struct heap *heap)
{
	stacks_flush(heap, 1);
	outbox_flush(&heap->outbox, &heap->counters);
	heap_collect(heap);
	empty_trim(heap, 0);
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
	for (unsigned count = 0; count < TICK_CLASSES; count++) {
		unsigned cls = heap->next_collected =
			heap->next_collected % (CLASS_MID_END - 1) + 1;

		list_collect(heap, &heap->full[cls]);
		list_collect(heap, &heap->avail[cls]);
	}
	pools_each(heap, heap_tick);
}
