/* What the C library's allocation functions do beyond getting a block: their rules, each in one
 * place. */
#ifndef LIBC_H
#define LIBC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "os.h"
#include "route.h"

static inline void *libc_fail(int error)
{
	errno = error;
	return NULL;
}

static inline void *libc_calloc(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return libc_fail(ENOMEM);
	return route.zeroed(bytes);
}

/* As glibc: realloc(NULL, n) is malloc(n), realloc(ptr, 0) frees and returns NULL. */
static inline void *libc_realloc(void *ptr, size_t size)
{
	if (!ptr)
		return alloc_fast(size);
	if (!size) {
		free_fast(ptr);
		return NULL;
	}
	return route.resize(ptr, size);
}

static inline void *libc_reallocarray(void *ptr, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return libc_fail(ENOMEM);
	return libc_realloc(ptr, bytes);
}

/* As glibc: any alignment, rounded up to a power of two. */
static inline void *libc_memalign(size_t align, size_t size)
{
	if (align <= 16)
		return alloc_fast(size);
	if (align > SIZE_MAX / 2 + 1)
		return libc_fail(EINVAL);
	if (align & (align - 1))
		align = (size_t)1 << (64 - __builtin_clzl(align));
	return route.aligned(align, size);
}

/* base: the frame of the function that the program called. */
static inline int libc_posix_memalign(void **result, size_t align, size_t size,
				      const uintptr_t *base)
{
	int kept_errno = errno;
	void *ptr;

	if (align % sizeof(void *) || align & (align - 1) || !align)
		return EINVAL;
	ptr = route.aligned_at(align, size, base);
	errno = kept_errno;
	if (!ptr)
		return ENOMEM;
	*result = ptr;
	return 0;
}

static inline void *libc_valloc(size_t size)
{
	return route.aligned(os_page(), size);
}

static inline void *libc_pvalloc(size_t size)
{
	size_t page = os_page();
	size_t rounded = (size + page - 1) & ~(page - 1);

	return rounded < size ? libc_fail(ENOMEM) : route.aligned(page, rounded);
}

#endif
