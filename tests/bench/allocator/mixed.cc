/*
 * mixed THREADS STEPS LARGE PASSED: in the manner of mstress and rptest. Each thread keeps 1,000
 * blocks of random sizes, mostly small, now and then up to LARGE bytes, and replaces random ones;
 * PASSED of a thousand frees are of a block that another thread put into a shared place. All
 * threads have their blocks before the first one replaces any.
 */
#include <atomic>
#include <cstring>
#include <pthread.h>
#include <vector>

#include "bench.h"

static constexpr int kept = 1000, places = 512;
static std::atomic<char *> place[places];
static long steps, large, passed;
static pthread_barrier_t filled;

static size_t size_next(uint64_t *random)
{
	uint64_t dice = bench_random(random) % 1000, value = bench_random(random);

	if (dice < 900)
		return 8 + value % 512;
	if (dice < 990)
		return 512 + value % 8192;
	return 1 + value % large;
}

static char *block_make(size_t size)
{
	char *block = static_cast<char *>(std::malloc(size));

	std::memset(block, 1, size < 256 ? size : 256);
	for (size_t at = 256; at < size; at += 4096)
		block[at] = 1;
	return block;
}

static void *work(void *argument)
{
	uint64_t random = bench_seed(reinterpret_cast<uintptr_t>(argument));
	std::vector<char *> block(kept);

	for (char *&own : block)
		own = block_make(size_next(&random));
	pthread_barrier_wait(&filled);
	for (long step = 0; step < steps; step++) {
		char *&own = block[bench_random(&random) % kept];
		size_t size = size_next(&random);

		if (bench_random(&random) % 1000 < static_cast<uint64_t>(passed))
			own = place[bench_random(&random) % places].exchange(own);
		std::free(own);
		own = block_make(size);
	}
	for (char *own : block)
		std::free(own);
	return nullptr;
}

int main(int argc, char **argv)
{
	long threads = bench_argument(argc, argv, 1, 4);
	steps = bench_argument(argc, argv, 2, 500000);
	large = bench_argument(argc, argv, 3, 262144);
	passed = bench_argument(argc, argv, 4, 100);
	std::vector<pthread_t> running(threads);
	double begin = bench_now();

	pthread_barrier_init(&filled, nullptr, threads);
	for (long at = 0; at < threads; at++)
		if (pthread_create(&running[at], nullptr, work, reinterpret_cast<void *>(at)))
			abort();
	for (pthread_t thread : running)
		pthread_join(thread, nullptr);
	bench_print(threads * (steps + kept), bench_now() - begin);
}
