/*
 * A replayer as one would write it first: a thread for each recorded one, and a mutex and a
 * condition variable that hand the turn on after every call. Prints nanoseconds per call. What
 * bench-replay compares hakreplay with.
 */
#include "traces/trace.h"

#include <err.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct naive {
	struct trace_event *events;
	size_t count;
	void **blocks; /* by object */
	pthread_mutex_t lock;
	pthread_cond_t turn;
	size_t next;
};

struct thread {
	struct naive *naive;
	uint32_t number;
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

static void *body(void *context)
{
	const struct thread *thread = context;
	struct naive *naive = thread->naive;

	pthread_mutex_lock(&naive->lock);
	for (;;) {
		while (naive->next < naive->count &&
		       naive->events[naive->next].thread != thread->number)
			pthread_cond_wait(&naive->turn, &naive->lock);
		if (naive->next == naive->count)
			break;
		execute(naive, &naive->events[naive->next]);
		naive->next++;
		if (naive->next == naive->count ||
		    naive->events[naive->next].thread != thread->number)
			pthread_cond_broadcast(&naive->turn);
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
	struct naive naive = {.lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};
	const struct trace_thread *defined;
	struct thread *threads;
	pthread_t *handles;
	struct trace *trace;
	double begin;
	size_t n;

	if (argc != 2 || trace_open(&trace, argv[1]))
		errx(1, "usage: naive TRACE");
	load(&naive, trace);
	n = trace_threads(trace, &defined);
	threads = calloc(n, sizeof(*threads));
	handles = calloc(n, sizeof(*handles));
	begin = now_ns();
	for (size_t i = 0; i < n; i++) {
		threads[i] = (struct thread){&naive, (uint32_t)i};
		if (pthread_create(&handles[i], NULL, body, &threads[i]))
			errx(1, "no thread");
	}
	for (size_t i = 0; i < n; i++)
		pthread_join(handles[i], NULL);
	printf("%.3f\n", (now_ns() - begin) / (double)naive.count);
	trace_close(trace);
	return 0;
}
