/*
 * relay PAIRS COUNT BYTES: producers and consumers: every block is allocated by one thread and
 * freed by another, through a bounded queue.
 */
#include <atomic>
#include <pthread.h>
#include <sched.h>
#include <vector>

#include "bench.h"

static constexpr size_t slots = 1024, batch = 64;
static long count, bytes;

struct queue {
	alignas(64) std::atomic<size_t> head{0};
	alignas(64) std::atomic<size_t> tail{0};
	char *slot[slots];
};

static void *produce(void *argument)
{
	queue *to = static_cast<queue *>(argument);
	size_t tail = 0;

	for (long made = 0; made < count; made += batch) {
		while (tail + batch - to->head.load(std::memory_order_acquire) > slots)
			sched_yield();
		for (size_t at = 0; at < batch; at++, tail++) {
			char *block = static_cast<char *>(std::malloc(bytes));

			block[0] = block[bytes - 1] = 1;
			to->slot[tail % slots] = block;
		}
		to->tail.store(tail, std::memory_order_release);
	}
	return nullptr;
}

static void *consume(void *argument)
{
	queue *from = static_cast<queue *>(argument);
	size_t head = 0;

	for (long made = 0; made < count; made += batch) {
		while (from->tail.load(std::memory_order_acquire) - head < batch)
			sched_yield();
		for (size_t at = 0; at < batch; at++, head++)
			std::free(from->slot[head % slots]);
		from->head.store(head, std::memory_order_release);
	}
	return nullptr;
}

int main(int argc, char **argv)
{
	long pairs = bench_argument(argc, argv, 1, 1);
	count = bench_argument(argc, argv, 2, 1000000) / batch * batch;
	bytes = bench_argument(argc, argv, 3, 64);
	std::vector<queue> queues(pairs);
	std::vector<pthread_t> running(2 * pairs);
	double begin = bench_now();

	for (long at = 0; at < pairs; at++)
		if (pthread_create(&running[2 * at], nullptr, produce, &queues[at]) ||
		    pthread_create(&running[2 * at + 1], nullptr, consume, &queues[at]))
			abort();
	for (pthread_t thread : running)
		pthread_join(thread, nullptr);
	bench_print(pairs * count, bench_now() - begin);
}
