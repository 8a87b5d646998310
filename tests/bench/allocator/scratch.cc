/*
 * scratch MODE THREADS REPEATS BYTES: false sharing. Each thread allocates a block, writes to it
 * again and again, frees it; REPEATS times. MODE 0 (thrash): nothing else. MODE 1 (scratch): each
 * thread's first block comes from the main thread, neighbour by neighbour, so an allocator that
 * gives it back to the thread that frees it shares cache lines for ever. From the published
 * description of Hoard's benchmarks.
 */
#include <pthread.h>
#include <vector>

#include "bench.h"

static long repeats, bytes;
static constexpr int writes = 1000;

static void *work(void *argument)
{
	char *block = static_cast<char *>(argument);

	std::free(block);
	for (long repeat = 0; repeat < repeats; repeat++) {
		volatile char *own = static_cast<char *>(std::malloc(bytes));

		for (int write = 0; write < writes; write++)
			for (long at = 0; at < bytes; at++)
				own[at] = static_cast<char>(own[at] + at);
		std::free(const_cast<char *>(own));
	}
	return nullptr;
}

int main(int argc, char **argv)
{
	long mode = bench_argument(argc, argv, 1, 1);
	long threads = bench_argument(argc, argv, 2, 2);
	repeats = bench_argument(argc, argv, 3, 1000);
	bytes = bench_argument(argc, argv, 4, 8);
	std::vector<pthread_t> running(threads);
	std::vector<void *> first(threads);

	for (void *&block : first)
		block = mode ? std::malloc(bytes) : nullptr;
	double begin = bench_now();
	for (long at = 0; at < threads; at++)
		if (pthread_create(&running[at], nullptr, work, first[at]))
			abort();
	for (pthread_t thread : running)
		pthread_join(thread, nullptr);
	bench_print(threads * repeats, bench_now() - begin);
}
