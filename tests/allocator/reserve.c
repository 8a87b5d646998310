/*
 * reserve: a program that reserves 2000 x 1 GiB of addresses wherever the system puts them, then
 * 512 MiB right where the allocator's next blocks would be, still gets memory; so does one that
 * asks for more than the machine could hold and touches little of it. Prints what it got.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define GIB ((size_t)1 << 30)
#define MIB ((size_t)1 << 20)

static void *reserve(uintptr_t address, size_t bytes)
{
	void *ptr = mmap((void *)address, bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	return ptr == MAP_FAILED ? NULL : ptr;
}

/* Blocks of so many bytes that can be had, each written to at its ends. */
static int got(size_t bytes, int most)
{
	int count = 0;

	while (count < most) {
		char *volatile block = malloc(bytes);

		if (!block)
			break;
		block[0] = block[bytes - 1] = 1;
		count++;
	}
	return count;
}

int main(void)
{
	char *volatile first = malloc(3 * MIB);
	uintptr_t next = (((uintptr_t)first >> 22) + 1) << 22;
	int reserved = 0, blocked = 0;

	while (reserved < 2000 &&
	       mmap(NULL, GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) !=
		       MAP_FAILED)
		reserved++;
	printf("reserved %d\n", reserved);
	for (size_t at = 0; at < 512; at += 8)
		if (reserve(next + at * MIB, 4 * MIB))
			blocked++;
	printf("blocked %s\n", blocked > 60 ? "yes" : "no");
	printf("1 MiB: %d\n", got(MIB, 2000));
	printf("9 MiB: %d\n", got(9 * MIB, 50));
	printf("5 GiB: %d\n", got(5 * GIB, 100));
	return 0;
}
