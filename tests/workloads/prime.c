/*
 * prime CALLS: two producers and two consumers make exactly CALLS calls of the allocator between
 * them, none in the main thread. The C library adds one calloc in the main thread for each of the
 * four threads (its thread-local storage). Prints the calls made, by kind.
 */
#include "say.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { QUEUE_ITEMS = 256, PAIRS = 2, REALLOC_EVERY = 16 };

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_cond_t drained;
	void *items[QUEUE_ITEMS];
	unsigned head;
	unsigned count;
	unsigned producers; /* still at work */
};

static struct queue queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
	.drained = PTHREAD_COND_INITIALIZER,
	.producers = PAIRS,
};

static uint64_t pairs;  /* blocks that are allocated and freed */
static uint64_t leaked; /* blocks that fill up to CALLS */

/* What each thread called; written by that thread, read after it was joined. */
struct worker {
	pthread_t thread;
	unsigned number;
	uint64_t mallocs;
	uint64_t reallocs;
	uint64_t frees;
};

static void queue_put(void *item)
{
	pthread_mutex_lock(&queue.lock);
	while (queue.count == QUEUE_ITEMS)
		pthread_cond_wait(&queue.drained, &queue.lock);
	queue.items[(queue.head + queue.count++) % QUEUE_ITEMS] = item;
	pthread_cond_signal(&queue.filled);
	pthread_mutex_unlock(&queue.lock);
}

static void *queue_get(void)
{
	void *item = NULL;

	pthread_mutex_lock(&queue.lock);
	while (!queue.count && queue.producers)
		pthread_cond_wait(&queue.filled, &queue.lock);
	if (queue.count) {
		item = queue.items[queue.head];
		queue.head = (queue.head + 1) % QUEUE_ITEMS;
		queue.count--;
		pthread_cond_signal(&queue.drained);
	}
	pthread_mutex_unlock(&queue.lock);
	return item;
}

static void queue_leave(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.producers--;
	pthread_cond_broadcast(&queue.filled);
	pthread_mutex_unlock(&queue.lock);
}

static void *produce(void *argument)
{
	struct worker *me = argument;
	uint64_t i;

	for (i = me->number; i < pairs + leaked; i += PAIRS) {
		uint64_t *block = malloc(sizeof(i) + i * 37 % 1000);

		if (!block)
			abort();
		*block = i;
		me->mallocs++;
		if (i < pairs)
			queue_put(block);
	}
	queue_leave();
	return NULL;
}

static void *consume(void *argument)
{
	struct worker *me = argument;
	uint64_t *block;

	while ((block = queue_get())) {
		uint64_t i = *block;

		if (i % REALLOC_EVERY == REALLOC_EVERY - 1) {
			block = realloc(block, sizeof(i) + i * 53 % 3000);
			if (!block || *block != i)
				abort();
			me->reallocs++;
		}
		free(block);
		me->frees++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker workers[2 * PAIRS] = {0};
	struct worker sum = {0};
	uint64_t calls = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000033;
	unsigned i;

	/* The most pairs that fit: 2 calls each and one more for each REALLOC_EVERY. */
	pairs = calls * REALLOC_EVERY / (2 * REALLOC_EVERY + 1);
	while (2 * pairs + pairs / REALLOC_EVERY > calls)
		pairs--;
	leaked = calls - 2 * pairs - pairs / REALLOC_EVERY;

	for (i = 0; i < 2 * PAIRS; i++) {
		workers[i].number = i / 2;
		if (pthread_create(&workers[i].thread, NULL, i % 2 ? consume : produce,
				   &workers[i]))
			abort();
	}
	for (i = 0; i < 2 * PAIRS; i++) {
		pthread_join(workers[i].thread, NULL);
		sum.mallocs += workers[i].mallocs;
		sum.reallocs += workers[i].reallocs;
		sum.frees += workers[i].frees;
	}
	say("mallocs %ju reallocs %ju frees %ju calls %ju\n", (uintmax_t)sum.mallocs,
	    (uintmax_t)sum.reallocs, (uintmax_t)sum.frees,
	    (uintmax_t)(sum.mallocs + sum.reallocs + sum.frees));
	return 0;
}
