/*
 * A library to preload: an allocator that any signal handler may call, and that hands out next what
 * was given back last. Blocks of at most SLOT_BYTES are on a stack of free ones, linked by number;
 * larger ones are taken by one atomic addition and never come again.
 */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

enum { SLOT_BYTES = 64, SLOTS = 1 << 16, LARGE_BYTES = 16 << 20 };

static _Alignas(4096) char slots[SLOTS][SLOT_BYTES];
static _Alignas(4096) char large[LARGE_BYTES];
static _Atomic uint32_t below[SLOTS]; /* number plus one of the next free slot */
static _Atomic uint64_t top;          /* number plus one of the first; above it a tag against ABA */
static _Atomic uint32_t made;         /* slots above were never used */
static _Atomic size_t used;           /* of large */

static void *slot_take(void)
{
	uint64_t first = top;

	while ((uint32_t)first) {
		uint64_t next = ((first >> 32) + 1) << 32 | below[(uint32_t)first - 1];

		if (atomic_compare_exchange_weak(&top, &first, next))
			return slots[(uint32_t)first - 1];
	}
	return made < SLOTS ? slots[made++] : NULL;
}

static void slot_give(void *ptr)
{
	uint32_t number = (uint32_t)((size_t)((char *)ptr - slots[0]) / SLOT_BYTES);
	uint64_t first = top, next;

	do {
		below[number] = (uint32_t)first;
		next = ((first >> 32) + 1) << 32 | (number + 1);
	} while (!atomic_compare_exchange_weak(&top, &first, next));
}

static void *take(size_t align, size_t size)
{
	size_t bytes = (size + align + SLOT_BYTES - 1) / SLOT_BYTES * SLOT_BYTES, at;
	void *ptr = NULL;

	if (size <= SLOT_BYTES && align <= SLOT_BYTES)
		ptr = slot_take();
	else if (size < LARGE_BYTES && align < LARGE_BYTES) {
		at = (atomic_fetch_add(&used, bytes) + align - 1) / align * align;
		ptr = at + size <= LARGE_BYTES ? large + at : NULL;
	}
	if (!ptr)
		errno = ENOMEM;
	return ptr;
}

API void *malloc(size_t size)
{
	return take(16, size);
}

API void free(void *ptr)
{
	if ((char *)ptr >= slots[0] && (char *)ptr < slots[0] + sizeof(slots))
		slot_give(ptr);
}

API void *calloc(size_t count, size_t size)
{
	size_t bytes;
	void *ptr = __builtin_mul_overflow(count, size, &bytes) ? NULL : take(16, bytes);

	return ptr ? memset(ptr, 0, bytes) : NULL;
}

/* What lies behind a block is copied along with it. */
API void *realloc(void *ptr, size_t size)
{
	void *moved = take(16, size);

	if (ptr && moved) {
		memcpy(moved, ptr, size < SLOT_BYTES ? size : SLOT_BYTES);
		free(ptr);
	}
	return moved;
}

API void *memalign(size_t align, size_t size)
{
	return take(align, size);
}

API void *aligned_alloc(size_t align, size_t size)
{
	return take(align, size);
}

API int posix_memalign(void **ptr, size_t align, size_t size)
{
	*ptr = take(align, size);
	return *ptr ? 0 : ENOMEM;
}
