/*
 * batch BLOCKS BYTES ROUNDS ORDER: allocates BLOCKS blocks of up to BYTES, then frees all of them,
 * in order (0), in reverse (1) or in random order (2); ROUNDS times.
 */
#include "bench.h"

int main(int argc, char **argv)
{
	long count = bench_argument(argc, argv, 1, 10000);
	long most = bench_argument(argc, argv, 2, 1024);
	long rounds = bench_argument(argc, argv, 3, 200);
	long order = bench_argument(argc, argv, 4, 2);
	uint32_t *size = malloc(count * sizeof(*size)), *place = malloc(count * sizeof(*place));
	char **block = malloc(count * sizeof(*block));
	uint64_t random = bench_seed(1);
	double begin;

	for (long at = 0; at < count; at++) {
		size[at] = 1 + bench_random(&random) % most;
		place[at] = order == 1 ? count - 1 - at : at;
	}
	for (long at = count - 1; order == 2 && at > 0; at--) {
		long other = bench_random(&random) % (at + 1);
		uint32_t kept = place[at];

		place[at] = place[other];
		place[other] = kept;
	}
	begin = bench_now();
	for (long round = 0; round < rounds; round++) {
		for (long at = 0; at < count; at++) {
			block[at] = malloc(size[at]);
			block[at][0] = 1;
		}
		for (long at = 0; at < count; at++)
			free(block[place[at]]);
	}
	bench_print(count * rounds, bench_now() - begin);
}
