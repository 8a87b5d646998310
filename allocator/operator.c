/* The C++ operators, from the one list of interposed functions. */
#include <stdbool.h>

#include "alloc.h"
#include "hakmem.h"
#include "route.h"
#include "shortage.h"
#include "traces/calls.h"

static inline void *new_slow(size_t size)
{
	return route.fresh(size);
}

/* The less common forms, each jumped to by the operator that the program called. */

static __attribute__((noinline)) void *nothrow_slow(size_t size, const void *tag, const char *name)
{
	void *ptr = route.alloc_at(size, ROUTE_BASE);

	return __builtin_expect(ptr != NULL, 1) ? ptr : shortage_nothrow(name, size, tag);
}

static __attribute__((noinline)) void *new_aligned(size_t size, size_t align)
{
	void *ptr = shortage_align_valid(align) ? route.aligned_at(align, size, ROUTE_BASE) : NULL;

	return __builtin_expect(ptr != NULL, 1) ? ptr : shortage_new(size, align);
}

static __attribute__((noinline)) void *nothrow_aligned(size_t size, size_t align, const void *tag,
						       const char *name)
{
	void *ptr = shortage_align_valid(align) ? route.aligned_at(align, size, ROUTE_BASE) : NULL;

	return __builtin_expect(ptr != NULL, 1) ? ptr
						: shortage_nothrow_aligned(name, size, align, tag);
}

#define DEFINE_NEW(symbol)                                                                         \
	HAK_API void *symbol(size_t size)                                                          \
	{                                                                                          \
		return alloc_fast_else(size, new_slow);                                            \
	}
#define DEFINE_NEW_NOTHROW(symbol)                                                                 \
	HAK_API void *symbol(size_t size, const void *tag)                                         \
	{                                                                                          \
		void *ptr = alloc_fast_else(size, NULL);                                           \
                                                                                                   \
		return __builtin_expect(ptr != NULL, 1) ? ptr : nothrow_slow(size, tag, #symbol);  \
	}
#define DEFINE_NEW_ALIGNED(symbol)                                                                 \
	HAK_API void *symbol(size_t size, size_t align)                                            \
	{                                                                                          \
		return new_aligned(size, align);                                                   \
	}
#define DEFINE_NEW_ALIGNED_NOTHROW(symbol)                                                         \
	HAK_API void *symbol(size_t size, size_t align, const void *tag)                           \
	{                                                                                          \
		return nothrow_aligned(size, align, tag, #symbol);                                 \
	}
#define DEFINE_DELETE(symbol)                                                                      \
	HAK_API void symbol(void *ptr)                                                             \
	{                                                                                          \
		free_fast(ptr);                                                                    \
	}
#define DEFINE_DELETE_SIZED(symbol)                                                                \
	HAK_API void symbol(void *ptr, size_t size)                                                \
	{                                                                                          \
		(void)size;                                                                        \
		free_fast(ptr);                                                                    \
	}
#define DEFINE_DELETE_NOTHROW(symbol)                                                              \
	HAK_API void symbol(void *ptr, const void *tag)                                            \
	{                                                                                          \
		(void)tag;                                                                         \
		free_fast(ptr);                                                                    \
	}
#define DEFINE_DELETE_ALIGNED(symbol) DEFINE_DELETE_SIZED(symbol)
#define DEFINE_DELETE_SIZED_ALIGNED(symbol)                                                        \
	HAK_API void symbol(void *ptr, size_t size, size_t align)                                  \
	{                                                                                          \
		(void)size;                                                                        \
		(void)align;                                                                       \
		free_fast(ptr);                                                                    \
	}
#define DEFINE_DELETE_ALIGNED_NOTHROW(symbol)                                                      \
	HAK_API void symbol(void *ptr, size_t align, const void *tag)                              \
	{                                                                                          \
		(void)align;                                                                       \
		(void)tag;                                                                         \
		free_fast(ptr);                                                                    \
	}

/* No header declares these names in C. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define DEFINE(id, number, symbol, shape, name) DEFINE_##shape(symbol)
TRACE_CALLS_CXX(DEFINE)
