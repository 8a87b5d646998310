#include "parallel.h"

#include "engine.h"
#include "futex.h"
#include "metronome.h"
#include "parts.h"
#include "roster.h"
#include "setting.h"

#include <sched.h>
#include <stddef.h>

/* Entries from one word about progress to the next; fewer where the recorded times hold them back.
 */
#define SLICE       4096
#define SLICE_PACED 16

static _Atomic uint32_t alive;    /* threads; the process's first counts */
static _Atomic uint32_t busy;     /* of these, whose stream in this part of the plan is not done */
static _Atomic uint32_t starting; /* copies whose first thread does not stand ready yet */
static _Atomic uint32_t part;     /* number of the part under way, from 1; 0: none yet */
static struct worker *_Atomic ended;

/* The processors that this process may use. */
static struct {
	bool crowded; /* there are more threads */
	cpu_set_t all;
	unsigned count;
	unsigned first; /* the first thread's, by counting */
	_Atomic unsigned given;
} places;

/* Joins the threads that have ended: their exit is the allocator's work and belongs to the run. */
static void reap(void)
{
	struct worker *worker = atomic_exchange(&ended, NULL);

	for (; worker; worker = worker->next_ended)
		pthread_join(worker->thread, NULL);
}

static void wait_while(_Atomic uint32_t *word, uint32_t value)
{
	while (atomic_load(word) == value)
		futex_wait(word, value);
}

static void wait_for_none(_Atomic uint32_t *count)
{
	uint32_t left;

	while ((left = atomic_load(count)))
		wait_while(count, left);
}

static void count_down(_Atomic uint32_t *count)
{
	if (atomic_fetch_sub(count, 1) == 1)
		futex_wake_all(count);
}

static void execute(struct worker *worker)
{
	void (*run)(struct worker * worker, uint64_t entries) =
		setting.paced ? metronome_run : engine_run;
	uint64_t most = setting.paced ? SLICE_PACED : SLICE;
	uint64_t slice;

	for (uint64_t left = worker->entries; left; left -= slice) {
		slice = left < most ? left : most;
		run(worker, slice);
		atomic_fetch_add_explicit(setting.progress, slice, memory_order_relaxed);
	}
}

static void leave(struct worker *worker)
{
	struct worker *head = atomic_load(&ended);

	worker->next_ended = head;
	while (!atomic_compare_exchange_weak(&ended, &head, worker))
		worker->next_ended = head;
	atomic_fetch_sub(&alive, 1);
}

/*
 * Where everybody has a processor, a thread begins on one of its own. The kernel would come to that
 * by itself, but not before a short replay is over.
 */
static void settle(void)
{
	cpu_set_t one;
	unsigned turn;

	if (places.crowded)
		return;
	turn = (places.first + atomic_fetch_add(&places.given, 1) + 1) % places.count;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &places.all) || turn--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		sched_setaffinity(0, sizeof(places.all), &places.all);
		return;
	}
}

static void places_init(void)
{
	uint64_t threads = (uint64_t)roster.plan->running * roster.copies;
	int here = sched_getcpu();

	places.crowded = sched_getaffinity(0, sizeof(places.all), &places.all) != 0;
	places.count = (unsigned)CPU_COUNT(&places.all);
	places.crowded |= threads > places.count;
	for (int cpu = 0; cpu < here && cpu < CPU_SETSIZE; cpu++)
		places.first += !!CPU_ISSET(cpu, &places.all);
}

/* Executes part after part; one who is alive at the end waits for ever. */
static void *body(void *context)
{
	struct worker *worker = context;

	settle();
	for (uint32_t now = atomic_load(&part);; now++) {
		bool ends;

		execute(worker);
		ends = worker->ended;
		if (ends)
			leave(worker);
		count_down(&busy);
		if (ends)
			return NULL;
		wait_while(&part, now);
	}
}

/* The first thread of a further copy: stands ready before the clock starts. */
static void *first_body(void *context)
{
	count_down(&starting);
	wait_while(&part, 0);
	return body(context);
}

static void spawn(struct worker *worker)
{
	reap();
	atomic_fetch_add(&alive, 1);
	atomic_fetch_add(&busy, 1);
	roster_create(worker, body);
}

void parallel_init(void)
{
	setting.spawn = spawn;
	places_init();
	atomic_init(&alive, roster.copies);
	atomic_init(&starting, roster.copies - 1);
	for (uint32_t i = 1; i < roster.copies; i++)
		roster_create(&roster.crews[i].workers[roster.plan->main], first_body);
	wait_for_none(&starting);
}

void parallel_run(void)
{
	do {
		atomic_store(&busy, alive);
		atomic_fetch_add(&part, 1);
		futex_wake_all(&part);
		execute(roster.first);
		count_down(&busy);
		wait_for_none(&busy);
		reap();
	} while (parts_next());
}
