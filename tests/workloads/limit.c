/*
 * limit MEGABYTES: limits the address space to what the process has plus MEGABYTES, allocates
 * blocks of 1 MiB until a call fails, frees them, and allocates once more. Prints whether each step
 * went as it must: the number of blocks depends on the allocator, so only its range is told.
 */
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* An allocator may have mapped RESERVE before the limit, or map that much for its own use. */
enum { MEGABYTE = 1 << 20, RESERVE = 8 * MEGABYTE, MAX_BLOCKS = 4096 };

static size_t address_space(void)
{
	size_t pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%zu", &pages) != 1)
		abort();
	fclose(file);
	return pages * 4096;
}

int main(int argc, char **argv)
{
	static void *blocks[MAX_BLOCKS];
	size_t room = (argc > 1 ? strtoull(argv[1], NULL, 0) : 64) * MEGABYTE;
	struct rlimit limit;
	size_t count = 0;
	size_t i;

	limit.rlim_cur = limit.rlim_max = address_space() + room;
	if (setrlimit(RLIMIT_AS, &limit))
		return 1;
	errno = 0;
	while (count < MAX_BLOCKS && (blocks[count] = malloc(MEGABYTE)))
		count++;
	say("blocks %s errno %d\n",
	    count * MEGABYTE <= room + RESERVE && count * MEGABYTE >= room / 2 - RESERVE ? "right"
											 : "wrong",
	    errno);
	for (i = 0; i < count; i++)
		free(blocks[i]);
	blocks[0] = malloc(MEGABYTE);
	say("again %s\n", blocks[0] ? "block" : "null");
	free(blocks[0]);
	return 0;
}
