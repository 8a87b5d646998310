/*
 * A replayer as one would write it first: a thread for each recorded one, a mutex, and a condition
 * variable for each thread, by which the turn is handed on after every call. Prints nanoseconds per
 * call. What bench-replay compares hakreplay with.
 */
#include "traces/trace.h"

#include <err.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct naive {
	struct trace_event *events;
	size_t count;
	void **blocks; /* by object */
	pthread_mutex_t lock;
	size_t next;
	struct thread *threads;
};

struct thread {
	struct naive *naive;
	uint32_t number;
	pthread_t handle;
	pthread_cond_t turn;
};

static void load(struct naive *naive, struct trace *trace)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	uint64_t objects = 0;

	naive->events = calloc(trace_rows(trace) + 1, sizeof(*naive->events));
	if (!naive->events || trace_cursor_open(&cursor, trace, NULL))
		errx(1, "%s", trace_error(trace));
	while (trace_cursor_next(cursor, &batch) > 0) {
		for (size_t i = 0; i < batch->rows; i++) {
			struct trace_event event = trace_batch_event(batch, i);

			objects += event.object != TRACE_NONE;
			if (event.kind < TRACE_MARKS || event.kind == TRACE_INHERITED)
				naive->events[naive->count++] = event;
		}
	}
	trace_cursor_close(cursor);
	naive->blocks = calloc(objects + 1, sizeof(*naive->blocks));
}

static void execute(struct naive *naive, const struct trace_event *event)
{
	bool freed = event->old_object != TRACE_NONE && !(event->flags & TRACE_FAILED);
	void *old = freed ? naive->blocks[event->old_object] : NULL;

	if (event->flags & TRACE_FAILED)
		return;
	if (event->kind == TRACE_REALLOC || event->kind == TRACE_REALLOCARRAY)
		old = realloc(old, event->size);
	else if (event->object == TRACE_NONE)
		free(old);
	else if (event->align)
		old = memalign(event->align, event->size);
	else if (event->kind == TRACE_CALLOC)
		old = calloc(1, event->size);
	else
		old = malloc(event->size);
	if (event->object != TRACE_NONE)
		naive->blocks[event->object] = old;
}

/* Whose turn it is; anybody's once all is done. */
static struct thread *turn(const struct naive *naive, struct thread *anybody)
{
	return naive->next < naive->count ? &naive->threads[naive->events[naive->next].thread]
					  : anybody;
}

static void *body(void *context)
{
	struct thread *thread = context;
	struct naive *naive = thread->naive;

	pthread_mutex_lock(&naive->lock);
	while (naive->next < naive->count) {
		if (turn(naive, NULL) != thread) {
			pthread_cond_wait(&thread->turn, &naive->lock);
			continue;
		}
		execute(naive, &naive->events[naive->next]);
		naive->next++;
		if (turn(naive, thread) != thread)
			pthread_cond_signal(&turn(naive, NULL)->turn);
	}
	pthread_mutex_unlock(&naive->lock);
	return NULL;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	struct naive naive = {.lock = PTHREAD_MUTEX_INITIALIZER};
	const struct trace_thread *defined;
	struct trace *trace;
	double begin;
	size_t n;

	if (argc != 2 || trace_open(&trace, argv[1]))
		errx(1, "usage: naive TRACE");
	load(&naive, trace);
	n = trace_threads(trace, &defined);
	naive.threads = calloc(n, sizeof(*naive.threads));
	begin = now_ns();
	for (size_t i = 0; i < n; i++) {
		naive.threads[i] = (struct thread){.naive = &naive, .number = (uint32_t)i};
		pthread_cond_init(&naive.threads[i].turn, NULL);
		if (pthread_create(&naive.threads[i].handle, NULL, body, &naive.threads[i]))
			errx(1, "no thread");
	}
	pthread_mutex_lock(&naive.lock);
	while (naive.next < naive.count) {
		pthread_mutex_unlock(&naive.lock);
		usleep(100);
		pthread_mutex_lock(&naive.lock);
	}
	pthread_mutex_unlock(&naive.lock);
	printf("%.3f\n", (now_ns() - begin) / (double)naive.count);
	trace_close(trace);
	return 0;
}
