/*
 * baton ROUNDS: three threads exchange blocks; one of them at a time does so without pause, for
 * some milliseconds, while the others put in a word now and then. Prints the calls made.
 */
#include "say.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 3, BLOCKS = 4096, LEAST_MS = 1, MOST_MS = 80, PAUSE_NS = 3000000 };

static _Atomic(void *) blocks[BLOCKS];
static _Atomic unsigned round_now, rounds;
static atomic_ulong calls;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t next(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 33;
}

/* Leaves a block for any thread, and frees what another left there. */
static unsigned long exchange(uint64_t *random)
{
	void *old = atomic_exchange(blocks + next(random) % BLOCKS, malloc(next(random) % 300 + 1));

	free(old);
	return old ? 2 : 1;
}

static void *live(void *argument)
{
	unsigned self = (unsigned)(uintptr_t)argument;
	uint64_t random = self;
	unsigned long made = 0;

	while (atomic_load(&round_now) < atomic_load(&rounds)) {
		if (atomic_load(&round_now) % THREADS == self) {
			uint64_t end = now_ns() + (next(&random) % MOST_MS + LEAST_MS) * 1000000;

			while (now_ns() < end)
				made += exchange(&random);
			atomic_fetch_add(&round_now, 1);
		} else {
			struct timespec pause = {0, (long)(next(&random) % 16 * PAUSE_NS)};

			made += exchange(&random);
			nanosleep(&pause, NULL);
		}
	}
	atomic_fetch_add(&calls, made);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 20;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(threads + i, NULL, live, (void *)i);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	say("calls %lu\n", calls);
	return 0;
}
