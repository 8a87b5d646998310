/* What a kind of call does and takes, from its shape in calls.h. */
#ifndef REPLAYER_SHAPE_H
#define REPLAYER_SHAPE_H

#include "traces/trace.h"

#include <stdbool.h>
#include <stdint.h>

enum shape_trait { SHAPE_FREES = 1, SHAPE_CHANGES = 2, SHAPE_ALIGNED = 4 };

enum shape {
	SHAPE_OF_ALLOC = 0,
	SHAPE_OF_CALLOC = 0,
	SHAPE_OF_REALLOC = SHAPE_CHANGES,
	SHAPE_OF_REALLOCARRAY = SHAPE_CHANGES,
	SHAPE_OF_MEMALIGN = SHAPE_ALIGNED,
	SHAPE_OF_POSIX_MEMALIGN = SHAPE_ALIGNED,
	SHAPE_OF_FREE = SHAPE_FREES,
	SHAPE_OF_DELETE = SHAPE_FREES,
	SHAPE_OF_NEW = 0,
	SHAPE_OF_NEW_NOTHROW = 0,
	SHAPE_OF_NEW_ALIGNED = SHAPE_ALIGNED,
	SHAPE_OF_NEW_ALIGNED_NOTHROW = SHAPE_ALIGNED,
	SHAPE_OF_DELETE_SIZED = SHAPE_FREES,
	SHAPE_OF_DELETE_NOTHROW = SHAPE_FREES,
	SHAPE_OF_DELETE_ALIGNED = SHAPE_FREES | SHAPE_ALIGNED,
	SHAPE_OF_DELETE_SIZED_ALIGNED = SHAPE_FREES | SHAPE_ALIGNED,
	SHAPE_OF_DELETE_ALIGNED_NOTHROW = SHAPE_FREES | SHAPE_ALIGNED,
};

/* Bit k: kind k has the trait. */
#define SHAPE_BIT(id, number, symbol, shape, name)                                                 \
	| (SHAPE_OF_##shape & SHAPE_TRAIT ? 1ull << (number) : 0)

#define SHAPE_TRAIT SHAPE_FREES
static const uint64_t shape_free_kinds = 0 TRACE_CALLS(SHAPE_BIT);
#undef SHAPE_TRAIT
#define SHAPE_TRAIT SHAPE_ALIGNED
static const uint64_t shape_aligned_kinds = 0 TRACE_CALLS(SHAPE_BIT);
#undef SHAPE_TRAIT

static inline bool shape_frees(unsigned kind)
{
	return shape_free_kinds >> kind & 1;
}

/* Takes an alignment. */
static inline bool shape_aligned(unsigned kind)
{
	return shape_aligned_kinds >> kind & 1;
}

/* A realloc. */
static inline bool shape_changes(unsigned kind)
{
	return kind == TRACE_REALLOC || kind == TRACE_REALLOCARRAY;
}

#endif
