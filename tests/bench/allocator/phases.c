/*
 * phases BYTES PHASES: fragmentation over time. Holds about BYTES in blocks whose size mix changes
 * from phase to phase; in each phase a random nine tenths of the old blocks die and new ones of the
 * next mix are born.
 */
#include <string.h>

#include "bench.h"

int main(int argc, char **argv)
{
	long budget = bench_argument(argc, argv, 1, 50000000);
	long phases = bench_argument(argc, argv, 2, 12);
	static const uint32_t least[] = {16, 200, 1000, 50, 4000, 30},
			      most[] = {64, 400, 3000, 120, 20000, 1000};
	long most_blocks = budget / 16;
	char **block = calloc(most_blocks, sizeof(*block));
	uint32_t *size = calloc(most_blocks, sizeof(*size));
	uint64_t random = bench_seed(1);
	long held = 0, blocks = 0, operations = 0;
	double begin = bench_now();

	for (long phase = 0; phase < phases; phase++) {
		long kept = 0;

		for (long at = 0; at < blocks; at++) {
			if (bench_random(&random) % 10 == 0) {
				block[kept] = block[at];
				size[kept++] = size[at];
				continue;
			}
			held -= size[at];
			free(block[at]);
			operations++;
		}
		blocks = kept;
		while (held < budget && blocks < most_blocks) {
			uint32_t mix = phase % 6;

			size[blocks] =
				least[mix] + bench_random(&random) % (most[mix] - least[mix]);
			block[blocks] = malloc(size[blocks]);
			memset(block[blocks], 1, size[blocks]);
			held += size[blocks++];
			operations++;
		}
	}
	bench_print(operations, bench_now() - begin);
}
