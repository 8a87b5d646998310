/*
 * hotloop [PAIRS [SIZE]]: one thread allocates a block and frees it, PAIRS times: what a recorder
 * adds to a call at its cheapest. Prints the loop's own wall time.
 */
#include "say.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
	uint64_t pairs = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	size_t size = argc > 2 ? strtoull(argv[2], NULL, 0) : 64;
	uint64_t start = now_ns();
	uint64_t i;

	for (i = 0; i < pairs; i++) {
		char *volatile block = malloc(size);

		free(block);
	}
	say("calls %ju wall_ns %ju\n", (uintmax_t)(2 * pairs), (uintmax_t)(now_ns() - start));
	return 0;
}
