#include "bootstrap.h"

#include <stdatomic.h>
#include <stdint.h>

#define ARENA_BYTES ((size_t)64 << 10)

static _Alignas(4096) char arena[ARENA_BYTES];
static _Atomic size_t arena_used;

void *bootstrap_alloc(size_t size, size_t align)
{
	size_t used = atomic_load(&arena_used);
	size_t start;

	if (align < 16)
		align = 16;
	do {
		start = (used + align - 1) & ~(align - 1);
		if (start > ARENA_BYTES || size > ARENA_BYTES - start)
			return NULL;
	} while (!atomic_compare_exchange_weak(&arena_used, &used, start + size));
	return arena + start;
}

bool bootstrap_owns(const void *ptr)
{
	return (uintptr_t)ptr - (uintptr_t)arena < ARENA_BYTES;
}

bool bootstrap_used(void)
{
	return atomic_load(&arena_used) != 0;
}

size_t bootstrap_size(const void *ptr)
{
	return atomic_load(&arena_used) - (size_t)((const char *)ptr - arena);
}
