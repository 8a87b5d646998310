/* large BYTES COUNT: allocate, touch each page, free: one block at a time, COUNT times. */
#include "bench.h"

int main(int argc, char **argv)
{
	long bytes = bench_argument(argc, argv, 1, 65536);
	long count = bench_argument(argc, argv, 2, 100000);
	double begin = bench_now();

	for (long at = 0; at < count; at++) {
		volatile char *block = malloc(bytes);

		for (long place = 0; place < bytes; place += 4096)
			block[place] = (char)at;
		block[bytes - 1] = 1;
		free((void *)block);
	}
	bench_print(count, bench_now() - begin);
}
