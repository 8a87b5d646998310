/* The C library's names, from the one list of interposed functions, and the few that go with them.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "hakmem.h"
#include "libc.h"
#include "route.h"
#include "site.h"
#include "totals.h"
#include "traces/calls.h"

#define BODY_MALLOC         alloc_fast
#define BODY_CALLOC         libc_calloc
#define BODY_REALLOC        libc_realloc
#define BODY_REALLOCARRAY   libc_reallocarray
#define BODY_FREE           free_fast
#define BODY_MEMALIGN       libc_memalign
#define BODY_POSIX_MEMALIGN posix_memalign_body
#define BODY_ALIGNED_ALLOC  libc_memalign
#define BODY_VALLOC         libc_valloc
#define BODY_PVALLOC        libc_pvalloc

/* Never inlined: jumped to by the function that the program called. */
static __attribute__((noinline)) int posix_memalign_body(void **result, size_t align, size_t size)
{
	return libc_posix_memalign(result, align, size, ROUTE_BASE);
}

#define DEFINE_ALLOC(id, symbol)                                                                   \
	HAK_API void *symbol(size_t size)                                                          \
	{                                                                                          \
		return BODY_##id(size);                                                            \
	}
#define DEFINE_CALLOC(id, symbol)                                                                  \
	HAK_API void *symbol(size_t count, size_t size)                                            \
	{                                                                                          \
		return BODY_##id(count, size);                                                     \
	}
#define DEFINE_REALLOC(id, symbol)                                                                 \
	HAK_API void *symbol(void *ptr, size_t size)                                               \
	{                                                                                          \
		return BODY_##id(ptr, size);                                                       \
	}
#define DEFINE_REALLOCARRAY(id, symbol)                                                            \
	HAK_API void *symbol(void *ptr, size_t count, size_t size)                                 \
	{                                                                                          \
		return BODY_##id(ptr, count, size);                                                \
	}
#define DEFINE_FREE(id, symbol)                                                                    \
	HAK_API void symbol(void *ptr)                                                             \
	{                                                                                          \
		BODY_##id(ptr);                                                                    \
	}
#define DEFINE_MEMALIGN(id, symbol)                                                                \
	HAK_API void *symbol(size_t align, size_t size)                                            \
	{                                                                                          \
		return BODY_##id(align, size);                                                     \
	}
#define DEFINE_POSIX_MEMALIGN(id, symbol)                                                          \
	HAK_API int symbol(void **result, size_t align, size_t size)                               \
	{                                                                                          \
		return BODY_##id(result, align, size);                                             \
	}

#define DEFINE(id, number, symbol, shape, name) DEFINE_##shape(id, symbol)
TRACE_CALLS_C(DEFINE)

/* Not the C library's alone: rules know sites by address, which another module may come to have. */
HAK_API int dlclose(void *handle)
{
	static int (*_Atomic next)(void *);
	int status;

	if (!next)
		next = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
	status = next ? next(handle) : -1;
	site_forget();
	return status;
}

HAK_API size_t malloc_usable_size(void *ptr)
{
	return alloc_usable(ptr);
}

HAK_API int malloc_trim(size_t keep)
{
	return hak_trim(keep);
}

/* There is nothing to set: every call is accepted and does nothing. */
HAK_API int mallopt(int parameter, int value)
{
	(void)parameter;
	(void)value;
	return 1;
}

HAK_API struct mallinfo2 mallinfo2(void)
{
	struct hak_stats stats = {.size = sizeof(stats)};
	struct mallinfo2 info = {0};

	hak_stats_get(&stats);
	info.arena = stats.mapped_bytes;
	info.uordblks = totals_live_bytes();
	if (info.uordblks > info.arena) /* Read a moment later. */
		info.uordblks = info.arena;
	info.fordblks = stats.mapped_bytes - info.uordblks;
	info.hblks = stats.whale_allocs;
	info.keepcost = stats.whale_kept_bytes;
	return info;
}

static int clamp(size_t value)
{
	return value > INT32_MAX ? INT32_MAX : (int)value;
}

HAK_API struct mallinfo mallinfo(void)
{
	struct mallinfo2 info = mallinfo2();

	return (struct mallinfo){
		.arena = clamp(info.arena),
		.uordblks = clamp(info.uordblks),
		.fordblks = clamp(info.fordblks),
		.hblks = clamp(info.hblks),
		.keepcost = clamp(info.keepcost),
	};
}

HAK_API void malloc_stats(void)
{
	totals_print();
}

HAK_API int malloc_info(int unused, FILE *stream)
{
	struct mallinfo2 info = mallinfo2();

	if (unused)
		return EINVAL;
	fprintf(stream,
		"<malloc version=\"hakmem-1\">\n<system type=\"current\" size=\"%zu\"/>\n"
		"<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n</malloc>\n",
		info.arena, info.fordblks);
	return 0;
}
