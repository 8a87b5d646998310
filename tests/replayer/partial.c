/* A library that defines malloc and forgets the rest. */
#include <stddef.h>

void *__libc_malloc(size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size);

void *malloc(size_t size)
{
	return __libc_malloc(size);
}
