/*
 * heights: the same function allocates at several heights of the stack, in the main thread and in
 * three others, so that a recorder sees one return address at heights that must not depend on what
 * else is loaded. Each block is freed by the thread after its maker.
 */
#include "say.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 3, DEPTHS = 6, ROUNDS = 20 };

static void *volatile blocks[THREADS + 1][ROUNDS * DEPTHS];
static __thread char local[100]; /* the program's own static TLS */

static __attribute__((noinline)) void descend(unsigned thread, unsigned round, unsigned depth)
{
	volatile unsigned char frame[64];

	frame[depth] = (unsigned char)depth;
	if (depth)
		descend(thread, round, depth - 1);
	blocks[thread][round * DEPTHS + depth] = malloc(100 * (thread + 1) + depth);
	local[frame[depth]]++;
}

static void *work(void *argument)
{
	unsigned thread = (unsigned)(size_t)argument;
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		descend(thread, i, DEPTHS - 1);
	if (thread)
		for (i = 0; i < ROUNDS * DEPTHS; i++)
			free(blocks[thread - 1][i]);
	return NULL;
}

int main(void)
{
	pthread_t thread;
	size_t i;

	work(0);
	for (i = 1; i <= THREADS; i++) {
		if (pthread_create(&thread, NULL, work, (void *)i))
			abort();
		pthread_join(thread, NULL);
	}
	say("mallocs %d frees %d\n", (THREADS + 1) * ROUNDS * DEPTHS, THREADS * ROUNDS * DEPTHS);
	return 0;
}
