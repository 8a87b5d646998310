/*
 * batches THREADS ROUNDS MOST: in the manner of sh6bench and sh8bench. Each thread allocates
 * batches of blocks of 1 to MOST bytes, many small ones for each large one, and frees them partly
 * in order, partly in reverse, partly later.
 */
#include <pthread.h>
#include <vector>

#include "bench.h"

static long rounds, most;

static void *work(void *argument)
{
	uint64_t random = bench_seed(reinterpret_cast<uintptr_t>(argument));
	std::vector<char *> batch, later;

	for (long round = 0; round < rounds; round++) {
		for (long size = 1; size <= most; size += 1 + size / 4)
			for (long count = 0; count <= most / size / 4; count++) {
				char *block = static_cast<char *>(std::malloc(size));

				block[0] = 1;
				batch.push_back(block);
			}
		size_t half = batch.size() / 2;
		for (size_t at = 0; at < half; at++)
			if (bench_random(&random) % 8)
				std::free(batch[at]);
			else
				later.push_back(batch[at]);
		for (size_t at = batch.size(); at > half; at--)
			std::free(batch[at - 1]);
		batch.clear();
		if (later.size() > 20000) {
			for (char *block : later)
				std::free(block);
			later.clear();
		}
	}
	for (char *block : later)
		std::free(block);
	return reinterpret_cast<void *>(0);
}

int main(int argc, char **argv)
{
	long threads = bench_argument(argc, argv, 1, 1);
	rounds = bench_argument(argc, argv, 2, 1000);
	most = bench_argument(argc, argv, 3, 1000);
	std::vector<pthread_t> running(threads);
	long operations = 0;
	double begin = bench_now();

	for (long size = 1; size <= most; size += 1 + size / 4)
		operations += most / size / 4 + 1;
	for (long at = 0; at < threads; at++)
		if (pthread_create(&running[at], nullptr, work, reinterpret_cast<void *>(at)))
			abort();
	for (pthread_t thread : running)
		pthread_join(thread, nullptr);
	bench_print(threads * rounds * operations, bench_now() - begin);
}
