/*
 * pace: a loop of malloc and free on every processor at once. Prints what an iteration took on the
 * slowest one, which on some machines is longer at times.
 */
#include "say.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { ITERATIONS = 300000 };

static uint64_t slowest_ns;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *loop(void *processor)
{
	cpu_set_t set;
	uint64_t begin, took;

	CPU_ZERO(&set);
	CPU_SET((uintptr_t)processor, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	begin = now_ns();
	for (uint64_t i = 0; i < ITERATIONS; i++) {
		char *volatile block = malloc(64);

		free(block);
	}
	took = now_ns() - begin;
	pthread_mutex_lock(&lock);
	slowest_ns = took > slowest_ns ? took : slowest_ns;
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(void)
{
	pthread_t threads[CPU_SETSIZE];
	cpu_set_t allowed;
	int count = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return 2;
	for (uintptr_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &allowed) &&
		    !pthread_create(&threads[count], NULL, loop, (void *)i))
			count++;
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	say("pace_ps %ju\n", (uintmax_t)(slowest_ns * 1000 / ITERATIONS));
	return 0;
}
