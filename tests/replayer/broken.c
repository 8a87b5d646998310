/*
 * An allocator with a fault, for --check to find: the C library's, spoilt in the way that the
 * environment variable BROKEN names, on the 200th call that can be spoilt. "slow" is no fault: the
 * processor is given up in the middle of each call of malloc_usable_size.
 */
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define WHEN   200

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *ptr);

EXPORT void *memalign(size_t align, size_t size);
EXPORT size_t malloc_usable_size(void *ptr);

static char *last; /* the latest block of 64 bytes and more, and one that lies inside it */
static char *inside;

/* True once, at the call that is to be spoilt. */
static bool spoil(const char *fault)
{
	static unsigned calls;
	const char *broken = getenv("BROKEN");

	return broken && !strcmp(broken, fault) && ++calls == WHEN;
}

static bool slow(void)
{
	const char *broken = getenv("BROKEN");

	return broken && !strcmp(broken, "slow");
}

static bool small(size_t size)
{
	return size > 16 && size < 48;
}

EXPORT void *malloc(size_t size)
{
	char *ptr;

	if (small(size) && spoil("fail"))
		return NULL;
	if (small(size) && spoil("crash"))
		abort();
	if (small(size) && last && spoil("overlap"))
		return inside = last + 16;
	ptr = __libc_malloc(size);
	if (ptr && size >= 64 && spoil("odd"))
		return inside = ptr + 4;
	if (size >= 64)
		last = ptr;
	return ptr;
}

EXPORT void free(void *ptr)
{
	if (ptr == inside)
		return;
	if (ptr && ptr != last && last && spoil("scribble"))
		last[5] ^= 1;
	if (ptr == last)
		last = NULL;
	__libc_free(ptr);
}

EXPORT void *calloc(size_t count, size_t size)
{
	char *ptr = __libc_calloc(count, size);

	if (ptr && count * size > 8 && spoil("dirty"))
		ptr[count * size - 1] = 1;
	return ptr;
}

EXPORT void *realloc(void *ptr, size_t size)
{
	char *moved = __libc_realloc(ptr, size);

	if (ptr == last)
		last = NULL;
	if (moved && ptr && size >= 8 && spoil("forget"))
		moved[0] ^= 1;
	return moved;
}

EXPORT void *memalign(size_t align, size_t size)
{
	char *ptr = __libc_memalign(align, size + 16);

	if (ptr && align > 16 && spoil("misaligned"))
		return inside = ptr + 16;
	return ptr;
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

EXPORT int posix_memalign(void **result, size_t align, size_t size)
{
	void *ptr = memalign(align, size);

	if (ptr)
		*result = ptr;
	return ptr ? 0 : ENOMEM;
}

/* Spoilt for good from the 200th on: the proof of behaviour asks first. */
EXPORT size_t malloc_usable_size(void *ptr)
{
	static bool spoilt;
	uint64_t head;

	if (slow())
		sched_yield();
	spoilt |= spoil("short");
	if (!ptr || spoilt)
		return 0;
	memcpy(&head, (char *)ptr - 8, sizeof(head));
	return ptr == inside ? SIZE_MAX : (size_t)(head & ~(uint64_t)7) - 8;
}
