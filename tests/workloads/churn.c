/*
 * churn THREADS ALIVE: starts THREADS threads, ALIVE of them at a time. Each frees the block that
 * its predecessor left, allocates one for its successor and one that it frees itself; the threads
 * of one wave have all made their first call before one makes its last. Prints the calls made.
 */
#include "say.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { MAX_ALIVE = 4096 };

static pthread_t threads[MAX_ALIVE];
static pthread_barrier_t wave;
static _Atomic(void *) left;
static atomic_ulong calls;

static void *live(void *argument)
{
	void *volatile own;
	void *old;

	pthread_barrier_wait(&wave);
	own = malloc(24);
	pthread_barrier_wait(&wave);
	old = atomic_exchange(&left, malloc((size_t)argument % 500 + 8));
	free(old);
	free(own);
	atomic_fetch_add(&calls, old ? 4 : 3);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t total = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
	size_t alive = argc > 2 ? strtoull(argv[2], NULL, 0) : 8;
	pthread_attr_t attributes;
	size_t started, i;

	if (!alive || alive > MAX_ALIVE || total % alive)
		return 2;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	pthread_barrier_init(&wave, NULL, (unsigned)alive);
	for (started = 0; started < total; started += alive) {
		for (i = 0; i < alive; i++)
			if (pthread_create(&threads[i], &attributes, live, (void *)(started + i)))
				abort();
		for (i = 0; i < alive; i++)
			pthread_join(threads[i], NULL);
	}
	say("threads %zu calls %lu\n", total, calls);
	return 0;
}
