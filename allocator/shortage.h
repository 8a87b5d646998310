/*
 * What the C++ operators owe a program when there is no memory, without linking libstdc++: the
 * program's handler and what to throw are found when it happens.
 */
#ifndef SHORTAGE_H
#define SHORTAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "class.h"

static inline bool shortage_align_valid(size_t align)
{
	return align && !(align & (align - 1));
}

/* For a new that found none: calls the new-handler and tries again, or throws. Never NULL. align:
 * invalid ones throw. */
void *shortage_new(size_t size, size_t align);

/*
 * For the nothrow form `name` (linker's name). A new-handler may throw, and only C++ can catch: so
 * the library's own operator does it, which calls the throwing form, ours, again.
 */
void *shortage_nothrow(const char *name, size_t size, const void *tag);
void *shortage_nothrow_aligned(const char *name, size_t size, size_t align, const void *tag);

#endif
