/*
 * crowded MODE MEGABYTES: a program for a memory cgroup. "reuse" holds MEGABYTES at a time,
 * touched, of one kind of block after another, and frees them in between; "exceed" touches twice as
 * much at once. Prints "ok" when malloc refused nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEGABYTE ((size_t)1 << 20)
#define ROUNDS   6

static const size_t sizes[] = {48, 700, 5000, 30000, 100000, MEGABYTE, 5 * MEGABYTE};

/* Fills `bytes` with blocks of a size, in a list through their first words, and frees them. */
static void fill(size_t size, size_t bytes)
{
	void *list = NULL;

	for (size_t have = 0; have + size <= bytes; have += size) {
		void **block = malloc(size);

		if (!block) {
			puts("refused");
			exit(1);
		}
		memset(block, 1, size);
		*block = list;
		list = block;
	}
	while (list) {
		void *next = *(void **)list;

		free(list);
		list = next;
	}
}

int main(int argc, char **argv)
{
	size_t bytes = (argc > 2 ? strtoul(argv[2], NULL, 0) : 32) * MEGABYTE;

	if (argc > 1 && strcmp(argv[1], "exceed") == 0)
		fill(MEGABYTE, 2 * bytes);
	for (int round = 0; round < ROUNDS; round++)
		for (size_t at = 0; at < sizeof(sizes) / sizeof(sizes[0]); at++)
			fill(sizes[at], bytes);
	puts("ok");
	return 0;
}
