/*
 * The C++ operators, from the one list of interposed functions, without linking libstdc++: what a
 * failed new has to do is found in the program when it happens.
 */
#include <dlfcn.h>
#include <stdbool.h>

#include "alloc.h"
#include "hakmem.h"
#include "notice.h"
#include "traces/calls.h"

typedef void handler(void);

/* The library function of this name; NULL where the program has no C++ library. */
static void *library_find(const char *name)
{
	void *found = dlsym(RTLD_DEFAULT, name);

	return found ? found : dlsym(RTLD_NEXT, name);
}

/* Calls the program's new-handler, which may free memory or throw; false when there is none. */
static bool handler_call(void)
{
	handler *(*get)(void) = (handler * (*)(void)) library_find("_ZSt15get_new_handlerv");
	handler *handle = get ? get() : NULL;

	if (!handle)
		return false;
	handle();
	return true;
}

static _Noreturn void bad_alloc_throw(void)
{
	handler *throw_it = (handler *)library_find("_ZSt17__throw_bad_allocv");

	if (throw_it)
		throw_it();
	notice_fatal("operator new found no memory, and no std::bad_alloc to throw", NULL);
}

static bool align_valid(size_t align)
{
	return align && !(align & (align - 1));
}

static __attribute__((noinline, cold)) void *new_retry(size_t size, size_t align)
{
	void *ptr = NULL;

	if (!align_valid(align))
		bad_alloc_throw();
	while (!ptr) {
		if (!handler_call())
			bad_alloc_throw();
		ptr = alloc_aligned(align, size);
	}
	return ptr;
}

static __attribute__((noinline)) void *new_slow(size_t size)
{
	void *ptr = alloc_slow(size);

	return __builtin_expect(ptr != NULL, 1) ? ptr : new_retry(size, 1);
}

/*
 * A new-handler may throw, and only C++ can catch: so the library's own operator does it, which
 * calls the throwing form, ours, again.
 */
static __attribute__((noinline, cold)) void *nothrow_retry(const char *name, size_t size,
							   const void *tag)
{
	void *(*next)(size_t, const void *) =
		(void *(*)(size_t, const void *))dlsym(RTLD_NEXT, name);

	return next ? next(size, tag) : NULL;
}

static __attribute__((noinline, cold)) void *nothrow_aligned_retry(const char *name, size_t size,
								   size_t align, const void *tag)
{
	void *(*next)(size_t, size_t, const void *) =
		(void *(*)(size_t, size_t, const void *))dlsym(RTLD_NEXT, name);

	return next ? next(size, align, tag) : NULL;
}

static inline void *aligned(size_t align, size_t size)
{
	return align_valid(align) ? alloc_aligned(align, size) : NULL;
}

#define DEFINE_NEW(symbol)                                                                         \
	HAK_API void *symbol(size_t size)                                                          \
	{                                                                                          \
		return alloc_fast_else(size, new_slow);                                            \
	}
#define DEFINE_NEW_NOTHROW(symbol)                                                                 \
	HAK_API void *symbol(size_t size, const void *tag)                                         \
	{                                                                                          \
		void *ptr = alloc_fast(size);                                                      \
                                                                                                   \
		return __builtin_expect(ptr != NULL, 1) ? ptr : nothrow_retry(#symbol, size, tag); \
	}
#define DEFINE_NEW_ALIGNED(symbol)                                                                 \
	HAK_API void *symbol(size_t size, size_t align)                                            \
	{                                                                                          \
		void *ptr = aligned(align, size);                                                  \
                                                                                                   \
		return __builtin_expect(ptr != NULL, 1) ? ptr : new_retry(size, align);            \
	}
#define DEFINE_NEW_ALIGNED_NOTHROW(symbol)                                                         \
	HAK_API void *symbol(size_t size, size_t align, const void *tag)                           \
	{                                                                                          \
		void *ptr = aligned(align, size);                                                  \
                                                                                                   \
		return __builtin_expect(ptr != NULL, 1)                                            \
			       ? ptr                                                               \
			       : nothrow_aligned_retry(#symbol, size, align, tag);                 \
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
