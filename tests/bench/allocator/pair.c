/* pair BYTES COUNT: malloc and free of one size, at once: the shortest path. */
#include "bench.h"

int main(int argc, char **argv)
{
	long bytes = bench_argument(argc, argv, 1, 64);
	long count = bench_argument(argc, argv, 2, 10000000);
	double begin = bench_now();

	for (long at = 0; at < count; at++) {
		void *block = malloc(bytes);

		__asm__ volatile("" : "+r"(block) : : "memory");
		free(block);
	}
	bench_print(count, bench_now() - begin);
}
