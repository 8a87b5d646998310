/*
 * Allocation as the C library defines it, for every size: the inline fast paths, and the slow paths
 * behind them. The budget of the fast paths: 13 instructions for malloc, 18 for free.
 */
#ifndef ALLOC_H
#define ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "processor.h"
#include "window.h"

/*
 * Any size, from the pool it belongs to; NULL with errno when there is no memory. The first is what
 * the fast path cannot do, by way of its route; the second goes to the pools whatever the routes,
 * and so does the third, which counts for learning.
 */
void *alloc_slow(size_t size);
void *alloc_plain(size_t size);
void *alloc_counted(size_t size);
void *alloc_zeroed(size_t size);
void *alloc_aligned(size_t align, size_t size);
void free_slow(void *ptr);

/* As realloc, and as malloc_usable_size. */
void *alloc_resize(void *ptr, size_t size);
size_t alloc_usable(void *ptr);

/* `slow` (NULL: returns NULL) does what the fast path cannot, whatever the reason. */
static inline __attribute__((always_inline)) void *alloc_fast_else(size_t size,
								   void *(*slow)(size_t))
{
	size_t units = (size + 15) >> TINY_SHIFT; /* wraps to 0, whose class is always empty */
	size_t cls;
	void **top, *ptr;

	__asm__(""
		: "+r"(units)); /* Else the range is tested before the shift, at one instruction
				 * more.
				 */
	if (__builtin_expect(units >= TINY_UNITS, 0))
		return slow ? slow(size) : NULL;
	cls = cache_self.cls[units];
	top = cache_self.top[cls];
	PROCESSOR_APART(top);
	ptr = top[-1];
	if (__builtin_expect(!ptr, 0))
		return slow ? slow(size) : NULL;
	cache_self.top[cls] = top - 1;
	return ptr;
}

static inline void *alloc_fast(size_t size)
{
	return alloc_fast_else(size, alloc_slow);
}

static inline void free_fast(void *ptr)
{
	uint32_t word = window_get(ptr);
	size_t cls = word & WINDOW_CLASS_MASK;
	void **top;

	if (__builtin_expect(word != cache_self.word[cls], 0)) {
		free_slow(ptr);
		return;
	}
	top = cache_self.top[cls];
	if (__builtin_expect(top[-1] == ptr, 0) ||
	    __builtin_expect(top == cache_self.limit[cls], 0)) {
		free_slow(ptr);
		return;
	}
	*top = ptr;
	cache_self.top[cls] = top + 1;
}

#endif
