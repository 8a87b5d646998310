/*
 * storm [THREADS [EXCHANGES [SLOTS [YIELD]]]]: adversarial for the recorded order. Every thread
 * allocates a block, exchanges it for the one in a random shared slot and frees that one at once:
 * most frees are of another thread's block, and its address is soon handed out again by yet another
 * thread. With YIELD a thread gives way every so many exchanges, so that threads mix on few
 * processors, too. Prints the calls made, by kind; the C library adds one calloc for each thread.
 */
#include "say.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

enum { MAX_THREADS = 64, MAX_SLOTS = 65536, REALLOC_EVERY = 32 };

static _Atomic(unsigned char *) slots[MAX_SLOTS];
static unsigned slot_count = 64;
static uint64_t exchanges = 250000;
static unsigned yield_every;
static pthread_barrier_t start;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static unsigned char *block_new(size_t size)
{
	unsigned char *block = malloc(size);

	if (!block)
		abort();
	block[0] = 1;
	block[size - 1] = 1;
	return block;
}

static void *exchange(void *argument)
{
	uint64_t state = (uintptr_t)argument * 0x9e3779b97f4a7c15u + 1;
	uint64_t i;

	pthread_barrier_wait(&start);
	for (i = 0; i < exchanges; i++) {
		uint64_t random = next_random(&state);
		unsigned char *block = block_new(8 + (random >> 32) % 256);

		block = atomic_exchange(&slots[random % slot_count], block);
		if (i % REALLOC_EVERY == REALLOC_EVERY - 1) {
			block = realloc(block, 8 + (random >> 40) % 2048);
			if (!block)
				abort();
		}
		free(block);
		if (yield_every && i % yield_every == 0)
			sched_yield();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 4;
	uintmax_t mallocs, reallocs;
	unsigned i;

	exchanges = argc > 2 ? strtoull(argv[2], NULL, 0) : exchanges;
	slot_count = argc > 3 ? (unsigned)atoi(argv[3]) : slot_count;
	yield_every = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
	if (!count || count > MAX_THREADS || !slot_count || slot_count > MAX_SLOTS)
		return 2;
	for (i = 0; i < slot_count; i++)
		slots[i] = block_new(64);
	pthread_barrier_init(&start, NULL, count);
	for (i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, exchange, (void *)(uintptr_t)(i + 1)))
			abort();
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < slot_count; i++)
		free(slots[i]);

	mallocs = slot_count + count * exchanges;
	reallocs = count * (exchanges / REALLOC_EVERY);
	say("mallocs %ju reallocs %ju frees %ju calls %ju\n", mallocs, reallocs, mallocs,
	    2 * mallocs + reallocs);
	return 0;
}
