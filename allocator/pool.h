/*
 * Pools: slabs that a thread keeps apart from its others, for the blocks of sites whose rules ask
 * for it. Each is a heap beside the thread's own, so it has stacks and counters of its own and goes
 * where that heap goes. A block of a pool is never reused outside it.
 */
#ifndef POOL_H
#define POOL_H

#include <stddef.h>
#include <stdint.h>

#include "heap.h"

/* A block of 1 to MID_MOST bytes, aligned to `align` (a power of two). NULL: no memory. */
void *pool_alloc(enum heap_pool pool, size_t size, size_t align);

/* word: the window's, with WINDOW_POOL. */
void pool_free(void *ptr, uint32_t word);

#endif
