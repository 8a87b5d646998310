#include "roster.h"

#include "failure.h"

#include <string.h>
#include <sys/mman.h>

/* Replayed threads call the allocator from a shallow stack; their exit may run its destructors. */
#define STACK_BYTES (256 * 1024)

struct roster roster;

static void *own_memory(size_t bytes, const char *what)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		failure("no memory for %s: %zu bytes", what, bytes);
	return memory;
}

/* Gives a crew the streams, the slots and the gate that the plan now has. */
static void crew_fill(struct crew *crew, const struct plan *plan, uint32_t slots_before,
		      uint32_t copies)
{
	const struct plan_stream *streams =
		(const void *)((const char *)plan + plan->streams_offset);
	size_t before = slots_before * sizeof(*crew->slots);
	size_t after = plan->slots * sizeof(*crew->slots);

	if (after > before && before) {
		crew->slots = mremap(crew->slots, before, after, MREMAP_MAYMOVE);
		if (crew->slots == MAP_FAILED)
			failure("no memory for %u live objects", plan->slots);
		memset((char *)crew->slots + before, 0, after - before);
	} else if (after > before) {
		crew->slots = own_memory(after, "live objects");
	}
	if (!gate_init(&crew->gate, plan, copies))
		failure("no memory for %u epochs", plan->epochs);
	for (uint32_t i = 0; i < PLAN_STREAMS(plan->threads); i++) {
		struct worker *worker = &crew->workers[i];

		worker->next = (const void *)((const char *)plan + streams[i].offset);
		worker->gap = (const void *)((const char *)plan + streams[i].gaps_offset);
		worker->entries = streams[i].entries;
		worker->slots = crew->slots;
	}
}

static void crew_init(struct crew *crew, const struct plan *plan, uint32_t copy, uint32_t copies)
{
	uint32_t n = PLAN_STREAMS(plan->threads);

	crew->workers = own_memory(n * sizeof(*crew->workers), "threads");
	for (uint32_t i = 0; i < n; i++)
		crew->workers[i] = (struct worker){
			.identity = plan_identity(i, 0),
			.copy = (uint64_t)copy << PLAN_COPY_SHIFT,
			.crew = crew,
			.number = i,
		};
	crew_fill(crew, plan, 0, copies);
}

void roster_init(const struct plan *plan, uint32_t copies)
{
	struct crew *crews = own_memory(copies * sizeof(*crews), "copies");

	for (uint32_t i = 0; i < copies; i++)
		crew_init(&crews[i], plan, i, copies);
	roster = (struct roster){plan, crews, copies, plan->slots, &crews->workers[plan->main]};
}

void roster_refill(void)
{
	for (uint32_t i = 0; i < roster.copies; i++)
		crew_fill(&roster.crews[i], roster.plan, roster.slots, roster.copies);
	roster.slots = roster.plan->slots;
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
