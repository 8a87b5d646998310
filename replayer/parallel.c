#include "parallel.h"

#include "engine.h"
#include "futex.h"
#include "roster.h"
#include "setting.h"

#include <stddef.h>

static _Atomic uint32_t running; /* threads whose stream is not done; the first one counts */
static struct worker *_Atomic ended;
static _Atomic uint32_t forever;

/* Joins the threads that have ended: their exit is the allocator's work and belongs to the run. */
static void reap(void)
{
	struct worker *worker = atomic_exchange(&ended, NULL);

	for (; worker; worker = worker->next_ended)
		pthread_join(worker->thread, NULL);
}

static void finish(struct worker *worker)
{
	struct worker *head = atomic_load(&ended);

	worker->next_ended = head;
	while (worker->ended && !atomic_compare_exchange_weak(&ended, &head, worker))
		worker->next_ended = head;
	if (atomic_fetch_sub(&running, 1) == 1)
		futex_wake_all(&running);
}

static void *body(void *context)
{
	struct worker *worker = context;
	bool ends;

	engine_run(worker, worker->entries);
	ends = worker->ended;
	finish(worker);
	while (!ends)
		futex_wait(&forever, 0); /* alive when the trace ended */
	return NULL;
}

static void spawn(uint32_t thread)
{
	reap();
	roster_create(&roster.workers[thread], body);
}

void parallel_init(void)
{
	setting.spawn = spawn;
	atomic_init(&running, roster.plan->running);
}

void parallel_run(void)
{
	uint32_t left;

	engine_run(roster.first, roster.first->entries);
	atomic_fetch_sub(&running, 1);
	while ((left = atomic_load(&running)))
		futex_wait(&running, left);
	reap();
}
