#include "shortage.h"

#include <dlfcn.h>

#include "notice.h"
#include "route.h"

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

__attribute__((noinline, cold)) void *shortage_new(size_t size, size_t align)
{
	void *ptr = NULL;

	if (!shortage_align_valid(align))
		bad_alloc_throw();
	while (!ptr) {
		if (!handler_call())
			bad_alloc_throw();
		ptr = route.aligned(align, size);
	}
	return ptr;
}

__attribute__((noinline, cold)) void *shortage_nothrow(const char *name, size_t size,
						       const void *tag)
{
	void *(*next)(size_t, const void *) =
		(void *(*)(size_t, const void *))dlsym(RTLD_NEXT, name);

	return next ? next(size, tag) : NULL;
}

__attribute__((noinline, cold)) void *shortage_nothrow_aligned(const char *name, size_t size,
							       size_t align, const void *tag)
{
	void *(*next)(size_t, size_t, const void *) =
		(void *(*)(size_t, size_t, const void *))dlsym(RTLD_NEXT, name);

	return next ? next(size, align, tag) : NULL;
}
