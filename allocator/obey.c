#include "obey.h"

#include <string.h>

#include "alloc.h"
#include "keep.h"
#include "pool.h"
#include "route.h"
#include "stat.h"

/* A block is kept by realloc unless it would be less than half used, or its site wants room. */
#define KEEP_SHARE 2

static void count_call(void)
{
	struct heap *heap = cache_self.heap;

	if (heap)
		stat_add(&heap->counters.rule_calls, 1);
	else
		stat_add_shared(&stat_shared.rule_calls, 1);
}

/* A block from where the rule says, with the room that it says; *zero as everywhere. */
static void *block_take(const struct rule *rule, size_t align, size_t size, bool *zero)
{
	size_t wanted = size < rule->grow ? rule->grow : size;
	void *ptr = NULL;

	*zero = false;
	if (wanted > PTRDIFF_MAX)
		wanted = size;
	else if (wanted > MID_MOST && rule->keep != RULE_NO_KEEP && align <= SLOT)
		ptr = keep_alloc(rule->keep, wanted, zero);
	else if (wanted <= MID_MOST && rule->pool != RULE_NO_POOL && align <= GRANULE / 2)
		ptr = pool_alloc(rule->pool, wanted, align);
	if (!ptr)
		ptr = align > 16 ? alloc_aligned(align, wanted) : route.plain(wanted);
	if (!ptr && wanted > size) /* Room is a favour; the block is due. */
		ptr = align > 16 ? alloc_aligned(align, size) : route.plain(size);
	return ptr;
}

void *obey_alloc(const struct rule *rule, size_t size)
{
	bool zero;
	void *ptr = block_take(rule, 1, size, &zero);

	count_call();
	return ptr;
}

void *obey_zeroed(const struct rule *rule, size_t size)
{
	bool zero;
	void *ptr;

	count_call();
	if (size > MID_MOST && rule->keep == RULE_NO_KEEP && rule->grow <= size)
		return alloc_zeroed(size);
	ptr = block_take(rule, 1, size, &zero);
	if (ptr && !zero)
		memset(ptr, 0, size);
	return ptr;
}

void *obey_aligned(const struct rule *rule, size_t align, size_t size)
{
	bool zero;

	count_call();
	return block_take(rule, align, size, &zero);
}

static bool is_whale(const void *ptr)
{
	return (window_get(ptr) & WINDOW_CLASS_MASK) >= CLASS_WHALE;
}

void *obey_resize(const struct rule *rule, void *ptr, size_t size)
{
	size_t usable = alloc_usable(ptr);
	void *moved;
	bool zero;

	count_call();
	if (size <= usable) {
		if (size >= usable / KEEP_SHARE)
			return ptr;
		if (rule->grow && usable / KEEP_SHARE <= rule->grow) {
			stat_add_shared(&stat_shared.rule_grow_hits, 1);
			return ptr;
		}
		return alloc_resize(ptr, size);
	}
	/* Beyond the room, or where pages are moved rather than copied. */
	if (is_whale(ptr) || (size > MID_MOST && size >= rule->grow && rule->keep == RULE_NO_KEEP))
		return alloc_resize(ptr, size);
	moved = block_take(rule, 1, size, &zero);
	if (!moved)
		return NULL;
	memcpy(moved, ptr, usable);
	free_fast(ptr);
	return moved;
}
