/*
 * early: allocates before any constructor has run, its own or that of a library, in the first
 * constructor and in main; frees each block where the next one is allocated.
 */
#include <stdlib.h>

static void *volatile block;

static void allocate(size_t size)
{
	void *before = block;

	block = malloc(size);
	free(before);
}

static void before_all(void)
{
	allocate(501);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = before_all;

__attribute__((constructor)) static void construct(void)
{
	allocate(502);
}

int main(void)
{
	allocate(503);
	free(block);
	return 0;
}
