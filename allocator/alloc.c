#include "alloc.h"

#include <errno.h>
#include <string.h>

#include "depot.h"
#include "heap.h"
#include "keep.h"
#include "learn.h"
#include "notice.h"
#include "os.h"
#include "pool.h"
#include "route.h"
#include "shard.h"
#include "shortage.h"
#include "stretch.h"
#include "thread.h"
#include "whale.h"

/* A block is kept by realloc unless it would be less than half used. */
#define KEEP_SHARE 2
/* A Whale counts for so many slow operations. */
#define WHALE_TICKS 16

static bool in_pools(size_t size)
{
	return size <= class_most;
}

static void *with_errno(void *ptr)
{
	if (!ptr)
		errno = ENOMEM;
	return ptr;
}

/* What lies idle goes back to a system that has no more; false: it cannot suffice. */
static bool idle_release(size_t size)
{
	uint64_t mapped = atomic_load_explicit(&stat_shared.mapped_bytes, memory_order_relaxed);

	/* Below a limit there may be room besides, which nobody counts. */
	if (size > mapped && (!os_address_limited() || size > os_address_limit()))
		return false;
	return thread_relieve();
}

/* A Whale. Pages that lie idle in the shards make room for fresh ones. */
static void *region_alloc(struct heap *heap, size_t size, size_t align, bool *zero)
{
	bool fresh = false;
	void *ptr = NULL;

	heap->ticks += WHALE_TICKS;
	if (stretch_serves(size, align))
		ptr = stretch_alloc(heap->shard, size, zero, &heap->counters);
	if (ptr)
		return ptr;
	stretch_release();
	ptr = whale_alloc(size, align, &fresh);
	if (ptr && fresh)
		shard_make_room(size);
	if (zero)
		*zero = fresh;
	return ptr;
}

/* A span at a multiple of align, which is more than a granule and at most a slot. */
static void *span_aligned(struct heap *heap, size_t align, size_t size)
{
	unsigned cls = class_in_use(size > GRANULE ? size : GRANULE);
	bool zero;
	void *ptr = shard_take(heap->shard, SHARD_ANY, class_table[cls].granules,
			       (unsigned)(align >> GRANULE_SHIFT), &zero);

	if (ptr)
		window_set(ptr, cls);
	return ptr;
}

static void *aligned_from(struct heap *heap, size_t align, size_t size)
{
	size_t rounded = (size + align - 1) & ~(align - 1);

	if (align > SLOT || rounded < size || !in_pools(size))
		return region_alloc(heap, size, align, NULL);
	if (align > GRANULE && class_most > MID_MOST)
		return span_aligned(heap, align, size);
	if (!in_pools(rounded))
		return region_alloc(heap, size, align, NULL);
	return heap_alloc(heap, class_aligned(size, align), NULL);
}

static void *any_try(size_t align, size_t size, bool *zero)
{
	struct heap *heap = thread_enter();
	void *ptr;

	if (zero)
		*zero = false;
	if (__builtin_expect(!heap, 0))
		return NULL;
	if (align > 16)
		ptr = aligned_from(heap, align, size);
	else if (in_pools(size))
		ptr = heap_alloc(heap, class_in_use(size), zero);
	else
		ptr = region_alloc(heap, size, 1, zero);
	thread_leave(heap);
	return ptr;
}

/* A block of any size and alignment; *zero (unless NULL): all its bytes are known to be 0. */
static void *any_alloc(size_t align, size_t size, bool *zero)
{
	void *ptr = any_try(align, size, zero);

	if (__builtin_expect(!ptr, 0) && idle_release(size > align ? size : align))
		ptr = any_try(align, size, zero);
	return with_errno(ptr);
}

/* The Mid or L2.5 block freed last; NULL: none is kept. */
static inline void *stack_pop(struct heap *heap, size_t size)
{
	unsigned stack;
	void **top, *ptr;

	if (size <= TINY_MOST)
		__builtin_unreachable();
	stack = class_of(size) - CLASS_TINY_END;
	top = heap->top[stack];
	ptr = top[-1];
	if (__builtin_expect(ptr != NULL, 1))
		heap->top[stack] = top - 1;
	return ptr;
}

void *alloc_slow(size_t size)
{
	if (__builtin_expect(size - TINY_MOST - 1 < cache_self.direct, 1)) {
		void *ptr = stack_pop(cache_self.heap, size);

		if (__builtin_expect(ptr != NULL, 1))
			return ptr;
	}
	return route.alloc(size);
}

void *alloc_plain(size_t size)
{
	struct heap *heap = cache_self.heap;
	void *ptr = NULL;

	if (size <= TINY_MOST) {
		unsigned cls = class_by_units[(size + 15) >> TINY_SHIFT];
		void **top = cache_self.top[cls];

		ptr = top[-1];
		if (__builtin_expect(ptr != NULL, 1))
			cache_self.top[cls] = top - 1;
	} else if (heap && size <= LARGE_MOST) {
		ptr = stack_pop(heap, size);
	}
	return __builtin_expect(ptr != NULL, 1) ? ptr : any_alloc(1, size, NULL);
}

static __attribute__((noinline, cold)) void *step_and_alloc(size_t size)
{
	learn_step();
	return alloc_plain(size);
}

void *alloc_counted(size_t size)
{
	return __builtin_expect(--cache_self.left != 0, 1) ? alloc_plain(size)
							   : step_and_alloc(size);
}

/* The usual routes */

static void *usual_alloc(size_t size)
{
	return any_alloc(1, size, NULL);
}

static void *usual_fresh(size_t size)
{
	void *ptr = alloc_slow(size);

	return __builtin_expect(ptr != NULL, 1) ? ptr : shortage_new(size, 1);
}

static void *usual_alloc_at(size_t size, const uintptr_t *base)
{
	(void)base;
	return alloc_slow(size);
}

static void *usual_aligned_at(size_t align, size_t size, const uintptr_t *base)
{
	(void)base;
	return alloc_aligned(align, size);
}

const struct route route_usual = {usual_alloc,  usual_fresh, alloc_zeroed,   alloc_aligned,
				  alloc_resize, alloc_plain, usual_alloc_at, usual_aligned_at};

const struct route route_counted = {alloc_counted, usual_fresh,   alloc_zeroed,   alloc_aligned,
				    alloc_resize,  alloc_counted, usual_alloc_at, usual_aligned_at};

/* The process's first call may not know yet which routes it takes. */

static void *first_alloc(size_t size)
{
	return thread_start() ? route.alloc(size) : any_alloc(1, size, NULL);
}

static void *first_zeroed(size_t size)
{
	return thread_start() ? route.zeroed(size) : alloc_zeroed(size);
}

struct route route = {first_alloc,  usual_fresh, first_zeroed,   alloc_aligned,
		      alloc_resize, alloc_plain, usual_alloc_at, usual_aligned_at};

void *alloc_zeroed(size_t size)
{
	bool zero = false;
	void *ptr;

	if (size <= MID_MOST) {
		ptr = alloc_fast(size);
		if (ptr)
			memset(ptr, 0, size);
		return ptr;
	}
	ptr = any_alloc(1, size, &zero);
	if (ptr && !zero)
		memset(ptr, 0, size);
	else if (ptr)
		stat_add_shared(&stat_shared.zero_skipped_bytes, size);
	return ptr;
}

void *alloc_aligned(size_t align, size_t size)
{
	if (align <= 16)
		return alloc_fast(size);
	if (size > PTRDIFF_MAX)
		return with_errno(NULL);
	return any_alloc(align, size ? size : 1, NULL);
}

static bool on_granule(const void *ptr)
{
	return ((uintptr_t)ptr & (GRANULE - 1)) == 0;
}

/* Nothing of ours begins at ptr: says what it most likely is. */
static _Noreturn __attribute__((noinline, cold)) void free_wrong(void *ptr)
{
	if (window_holds(ptr) && window.owners[window_slot(ptr)])
		notice_fatal("double free of", ptr);
	notice_fatal("free of a foreign pointer:", ptr);
}

/* Small blocks go home to the heap that owns their slab, lest two threads write to one cache line;
 * others stay with the heap that frees them. */
static void block_free(unsigned cls, void *ptr)
{
	struct slab *slab = segment_slab_head(ptr);
	struct heap *heap = thread_enter_to_free(slab->tag);

	if (!heap) {
		if (slab->tag)
			slab_remote_push(slab, ptr, ptr);
		else
			depot_put(cls, &ptr, 1);
		return;
	}
	if (cls >= CLASS_SHARED || slab->tag == heap->estate.tag)
		heap_free(heap, cls, ptr);
	else
		heap_send(heap, slab, ptr);
	thread_leave(heap);
}

static void span_free(unsigned cls, void *ptr)
{
	struct heap *heap;

	if (!on_granule(ptr))
		notice_fatal("free of a pointer that is not the start of a block:", ptr);
	heap = thread_enter();
	if (!heap) {
		shard_give(ptr, class_table[cls].granules);
		return;
	}
	heap_free(heap, cls, ptr);
	thread_leave(heap);
}

/* A Whale. */
static void region_free(void *ptr, uint32_t word)
{
	struct heap *heap;

	if ((word & WINDOW_CLASS_MASK) == CLASS_WHALE)
		whale_free(ptr);
	else
		stretch_free(ptr, word);
	heap = thread_enter();
	if (!heap)
		return;
	heap->ticks += WHALE_TICKS;
	thread_leave(heap);
}

/* Frees what the stacks do not take. */
static __attribute__((noinline, cold)) void free_rest(void *ptr, uint32_t word)
{
	unsigned cls = word & WINDOW_CLASS_MASK;

	if (word & WINDOW_POOL && cls == CLASS_WHALE)
		keep_free(ptr, word);
	else if (word & WINDOW_POOL)
		pool_free(ptr, word);
	else if (cls >= CLASS_WHALE)
		region_free(ptr, word);
	else if (cls >= CLASS_MID_END)
		span_free(cls, ptr);
	else
		block_free(cls, ptr);
}

void free_slow(void *ptr)
{
	struct heap *heap = cache_self.heap;
	uint32_t word = window_get(ptr);
	uint32_t stack = word - CLASS_TINY_END;

	/* Mid blocks and spans, short of every test but those for misuse and room. */
	if (__builtin_expect(stack < HEAP_STACKS && heap, 1)) {
		void **top = heap->top[stack];

		if (__builtin_expect(top[-1] != ptr && top != heap->limit[stack] &&
					     (word < CLASS_MID_END || on_granule(ptr)),
				     1)) {
			*top = ptr;
			heap->top[stack] = top + 1;
			return;
		}
	}
	if (!ptr)
		return;
	if (__builtin_expect(!word || !window_holds(ptr), 0))
		free_wrong(ptr);
	free_rest(ptr, word);
}

size_t alloc_usable(void *ptr)
{
	uint32_t word = window_get(ptr);
	unsigned cls;

	if (!ptr)
		return 0;
	if (!word || !window_holds(ptr))
		notice_fatal("not a block of this allocator:", ptr);
	cls = word & WINDOW_CLASS_MASK;
	if (cls >= CLASS_MID_END && !on_granule(ptr))
		notice_fatal("not the start of a block:", ptr);
	if (cls == CLASS_STRETCH)
		return stretch_granules(word) << GRANULE_SHIFT;
	return cls == CLASS_WHALE ? whale_usable(ptr) : class_table[cls].size;
}

/* Grows or shrinks a span where it is. */
static bool span_resize(void *ptr, unsigned cls, size_t size)
{
	unsigned granules = class_table[cls].granules;
	unsigned wanted_class, wanted;

	if (cls < CLASS_MID_END || size <= MID_MOST || size > LARGE_MOST)
		return false;
	wanted_class = class_in_use(size);
	wanted = class_table[wanted_class].granules;
	if (wanted < granules)
		shard_give((char *)ptr + ((size_t)wanted << GRANULE_SHIFT), granules - wanted);
	else if (wanted > granules && !shard_extend(ptr, granules, wanted - granules))
		return false;
	window_set(ptr, wanted_class);
	stat_add_shared(&stat_shared.realloc_in_place, wanted != granules);
	return true;
}

/* The block, of `usable` bytes, without a copy of what is in it; NULL: that cannot be. */
static void *uncopied_resize(void *ptr, size_t usable, size_t size)
{
	uint32_t word = window_get(ptr);
	unsigned cls = word & WINDOW_CLASS_MASK;
	void *moved;

	if (cls == CLASS_WHALE) {
		moved = in_pools(size) ? NULL : whale_realloc(ptr, size);
		if (moved)
			window_set(moved, word);
		return moved;
	}
	if (cls == CLASS_STRETCH)
		return in_pools(size) ? NULL : stretch_realloc(ptr, word, size);
	if ((size <= usable && size >= usable / KEEP_SHARE) || span_resize(ptr, cls, size))
		return ptr;
	return NULL;
}

void *alloc_resize(void *ptr, size_t size)
{
	size_t usable = alloc_usable(ptr);
	void *moved = uncopied_resize(ptr, usable, size);

	if (moved)
		return moved;
	moved = alloc_fast(size);
	if (!moved && size <= usable)
		return ptr;
	/* By now what lay idle has gone back to the system. */
	if (!moved)
		return uncopied_resize(ptr, usable, size);
	memcpy(moved, ptr, size < usable ? size : usable);
	free_fast(ptr);
	return moved;
}
