/*
 * Part of a witness that is preloaded before the allocator: small blocks are written whole as soon
 * as malloc, calloc or realloc gives them, which is what a replay takes a program to do. For
 * programs in C: allocators with a C++ operator new of their own give its blocks past this.
 */
#include "replayer/run.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static void *(*next_malloc)(size_t size);
static void *(*next_calloc)(size_t count, size_t size);
static void *(*next_realloc)(void *block, size_t size);
static size_t (*next_usable)(void *block);

static void next_find(void)
{
	if (next_usable)
		return;
	*(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
	*(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&next_usable = dlsym(RTLD_NEXT, "malloc_usable_size");
}

static void *fill(void *block, size_t from, size_t to, int byte)
{
	if (block && from < to && to < RUN_LARGE_BYTES)
		memset((char *)block + from, byte, to - from);
	__asm__ volatile("" : : "r"(block) : "memory"); /* the compiler knows what calloc gives */
	return block;
}

EXPORT void *malloc(size_t size)
{
	next_find();
	return fill(next_malloc(size), 0, size, 0xa5);
}

EXPORT void *calloc(size_t count, size_t size)
{
	next_find();
	return fill(next_calloc(count, size), 0, count * size, 0);
}

EXPORT void *realloc(void *block, size_t size)
{
	size_t held;

	next_find();
	held = block ? next_usable(block) : 0;
	return fill(next_realloc(block, size), held, size, 0xa5);
}
