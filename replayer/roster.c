#include "roster.h"

#include "failure.h"

#include <string.h>
#include <sys/mman.h>

/* Replayed threads call the allocator from a shallow stack; their exit may run its destructors. */
#define STACK_BYTES (256 * 1024)

struct roster roster;

void roster_init(const struct plan *plan)
{
	const struct plan_stream *streams =
		(const void *)((const char *)plan + plan->streams_offset);
	uint32_t n = PLAN_STREAMS(plan->threads);
	struct worker *workers = mmap(NULL, n * sizeof(*workers), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (workers == MAP_FAILED)
		failure("no memory for %u threads", plan->threads);
	for (uint32_t i = 0; i < n; i++) {
		workers[i].number = i;
		workers[i].next = (const void *)((const char *)plan + streams[i].offset);
		workers[i].entries = streams[i].entries;
		workers[i].identity = plan_identity(i, 0);
	}
	roster = (struct roster){.plan = plan, .workers = workers, .first = &workers[plan->main]};
}

void roster_create(struct worker *worker, void *(*body)(void *worker))
{
	pthread_attr_t attributes;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	error = pthread_create(&worker->thread, &attributes, body, worker);
	if (error)
		failure("thread %u could not be created: %s", worker->number, strerror(error));
	pthread_attr_destroy(&attributes);
}
