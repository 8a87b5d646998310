/*
 * larson THREADS ROUNDS SECONDS: a server whose threads hand their sessions on. Each thread keeps
 * 10,000 blocks of 8 to 1024 bytes and replaces random ones; after 10,000 replacements in each of
 * ROUNDS rounds the whole set passes to a freshly created detached thread. From the published
 * description of Larson and Krishnan's benchmark.
 */
#include <atomic>
#include <pthread.h>
#include <unistd.h>

#include "bench.h"

static constexpr int blocks = 10000, replacements = 10000;
static constexpr size_t least = 8, most = 1024;

struct chain {
	char *block[blocks];
	uint64_t random;
	uint64_t operations;
};

static std::atomic<bool> stop;
static std::atomic<int> running;
static long rounds;

static size_t size_next(uint64_t *random)
{
	return least + bench_random(random) % (most - least + 1);
}

static void *life(void *argument)
{
	chain *own = static_cast<chain *>(argument);

	for (long round = 0; round < rounds && !stop.load(std::memory_order_relaxed); round++) {
		for (int at = 0; at < replacements; at++) {
			uint64_t victim = bench_random(&own->random) % blocks;
			size_t size = size_next(&own->random);

			delete[] own->block[victim];
			own->block[victim] = new char[size];
			own->block[victim][0] = 'a';
			own->block[victim][size - 1] = 'z';
		}
		own->operations += replacements;
	}
	if (stop.load()) {
		running--;
		return nullptr;
	}
	pthread_t next;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&next, &attributes, life, own))
		abort();
	pthread_attr_destroy(&attributes);
	return nullptr;
}

int main(int argc, char **argv)
{
	long threads = bench_argument(argc, argv, 1, 1);
	rounds = bench_argument(argc, argv, 2, 1);
	double seconds = argc > 3 ? atof(argv[3]) : 1;
	chain *chains = new chain[threads];

	for (long at = 0; at < threads; at++) {
		chains[at].random = bench_seed(at);
		chains[at].operations = 0;
		for (char *&block : chains[at].block)
			block = new char[size_next(&chains[at].random)];
	}
	running = threads;
	double begin = bench_now();
	for (long at = 0; at < threads; at++) {
		pthread_t thread;
		if (pthread_create(&thread, nullptr, life, &chains[at]))
			abort();
		pthread_detach(thread);
	}
	usleep(seconds * 1e6);
	stop = true;
	double end = bench_now();
	while (running.load())
		usleep(100);
	uint64_t operations = 0;
	for (long at = 0; at < threads; at++)
		operations += chains[at].operations;
	bench_print(operations, end - begin);
}
