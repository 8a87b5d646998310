#include "pool.h"

#include "shard.h"
#include "thread.h"

void *pool_alloc(enum heap_pool number, size_t size, size_t align)
{
	struct heap *heap = thread_enter();
	struct heap *pool = heap ? heap_beside(heap, number) : NULL;
	void *ptr = NULL;

	if (pool) {
		unsigned cls =
			align > 16 ? class_aligned(size, align) : class_in_use(size ? size : 1);

		ptr = heap_alloc(pool, cls, NULL);
		stat_add(&pool->counters.rule_pool_blocks, ptr != NULL);
		heap->ticks += pool->ticks;
		pool->ticks = 0;
	}
	if (heap)
		thread_leave(heap);
	return ptr;
}

void pool_free(void *ptr, uint32_t word)
{
	struct heap *pool = heap_by_tag(word);
	struct heap *heap = thread_enter_to_free(pool->owner->estate.tag);
	struct slab *slab = segment_slab_head(ptr);

	if (!heap) {
		slab_remote_push(slab, ptr, ptr);
		return;
	}
	if (pool->owner == heap)
		heap_free(pool, word & WINDOW_CLASS_MASK, ptr);
	else
		heap_send(heap, slab, ptr);
	thread_leave(heap);
}
