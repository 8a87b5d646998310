/*
 * A library to preload: a free() that calls malloc() and itself on its way to the C library's, as
 * one that keeps accounts may.
 */
#include <stdbool.h>
#include <stdlib.h>

void __libc_free(void *ptr);

__attribute__((visibility("default"))) void free(void *ptr)
{
	static __thread bool within;

	if (!within && ptr) {
		within = true;
		free(malloc(sizeof(ptr)));
		within = false;
	}
	__libc_free(ptr);
}
