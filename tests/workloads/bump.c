/*
 * A library to preload: an allocator that any signal handler may call. It hands out fresh memory by
 * one atomic addition and never reuses any. Also stands for "another allocator is preloaded".
 */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define API __attribute__((visibility("default")))

enum { HEADER = 16 };

static const size_t arena_bytes = (size_t)4 << 30;
static _Atomic(char *) arena;
static _Atomic size_t used;
static _Atomic uint64_t calls;

API uint64_t bump_calls(void);

/* Of the program, which may want to know of each malloc() while it is going on. */
void bump_called(size_t size) __attribute__((weak));

/* Allocations that this library answered. */
API uint64_t bump_calls(void)
{
	return calls;
}

static char *arena_map(void)
{
	char *none = NULL;
	char *fresh = mmap(NULL, arena_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fresh == MAP_FAILED)
		abort();
	if (atomic_compare_exchange_strong(&arena, &none, fresh))
		return fresh;
	munmap(fresh, arena_bytes);
	return none;
}

static void *take(size_t align, size_t size)
{
	char *base = arena;
	uintptr_t addr;
	size_t room;

	if (!base)
		base = arena_map();
	if (align < HEADER)
		align = HEADER;
	if (size > arena_bytes - align - HEADER) {
		errno = ENOMEM;
		return NULL;
	}
	room = (size + align + 2 * HEADER - 1) / HEADER * HEADER;
	addr = (uintptr_t)base + atomic_fetch_add(&used, room) + HEADER;
	addr = (addr + align - 1) / align * align;
	((size_t *)addr)[-1] = size;
	atomic_fetch_add(&calls, 1);
	return (void *)addr;
}

API void *malloc(size_t size)
{
	if (bump_called)
		bump_called(size);
	return take(HEADER, size);
}

API void *calloc(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return take(HEADER, bytes);
}

API void *realloc(void *block, size_t size)
{
	void *moved = take(HEADER, size);

	if (block && moved) {
		size_t old = ((size_t *)block)[-1];

		memcpy(moved, block, old < size ? old : size);
	}
	return moved;
}

API void free(void *block)
{
	(void)block;
}

API void *memalign(size_t align, size_t size)
{
	return take(align, size);
}

API void *aligned_alloc(size_t align, size_t size)
{
	return take(align, size);
}

API int posix_memalign(void **block, size_t align, size_t size)
{
	*block = take(align, size);
	return *block ? 0 : ENOMEM;
}
