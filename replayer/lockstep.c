#include "lockstep.h"

#include "digest.h"
#include "engine.h"
#include "futex.h"
#include "identity.h"
#include "meter.h"
#include "parts.h"
#include "roster.h"
#include "setting.h"

#define SAMPLES      1000 /* of resident memory in a run, at most */
#define SAMPLE_PAUSE 250  /* entries between two of them, at least */

/* States of a worker's thread, all changed by whoever has the turn. */
enum { UNBORN, PARKED, HOLDER, LEAVING };

/* The turns, and how far they have been executed; touched only by whoever has the turn. */
static struct {
	const uint32_t *turns;
	uint64_t left;
	uint64_t pause;         /* entries from one look at the memory to the next ... */
	uint64_t since;         /* ... and since the last one */
	uint64_t order;         /* digest of the total order */
	struct worker *leaving; /* baton: ended, and its thread still to be joined */
} relay;

static struct worker *turn_worker(uint32_t turn)
{
	return &roster.crews->workers[turn >> PLAN_TURN_SHIFT];
}

static void state_set(struct worker *worker, uint32_t state)
{
	atomic_store(&worker->state, state);
	futex_wake(&worker->state, 1);
}

static void state_await_change(struct worker *worker, uint32_t from)
{
	while (atomic_load(&worker->state) == from)
		futex_wait(&worker->state, from);
}

/* Announces that the thread stands ready, and sleeps until it is wanted. */
static void park(struct worker *worker)
{
	state_set(worker, PARKED);
	state_await_change(worker, PARKED);
}

static void progress_note(void)
{
	atomic_fetch_add_explicit(setting.progress, relay.since, memory_order_relaxed);
	relay.since = 0;
}

static void take_turn(struct worker *worker)
{
	uint32_t entries = *relay.turns & PLAN_TURN_MAX;

	engine_run(worker, entries);
	relay.since += entries;
	if (relay.since >= relay.pause) {
		progress_note();
		meter_sample();
	}
	relay.order = digest_join(relay.order, worker->number, worker->digest);
	relay.turns++;
	relay.left--;
}

/* ---- one OS thread with every worker's identity ---- */

static void *stand_in_body(void *context)
{
	struct worker *worker = context;

	worker->thread_pointer = identity_read();
	park(worker);
	return NULL;
}

static void spawn(struct worker *worker, void *(*body)(void *worker))
{
	meter_pause();
	roster_create(worker, body);
	state_await_change(worker, UNBORN);
	meter_resume(false);
}

/* An ended thread's exit is the allocator's work: its time counts, the wait for a processor not. */
static void join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
	meter_resume(true);
}

static void stand_in_spawn(struct worker *worker)
{
	spawn(worker, stand_in_body);
}

/* The worker's own thread takes its identity back and ends, while the caller is the first one. */
static void stand_in_leave(struct worker *worker)
{
	meter_pause();
	state_set(worker, LEAVING);
	join(worker);
}

static void run_identities(void)
{
	struct worker *current = roster.first;

	current->thread_pointer = identity_read();
	while (relay.left) {
		struct worker *worker = turn_worker(*relay.turns);

		if (worker != current)
			identity_write(worker->thread_pointer);
		current = worker;
		take_turn(worker);
		if (worker->ended) {
			current = roster.first;
			identity_write(current->thread_pointer);
			stand_in_leave(worker);
		}
	}
	identity_write(roster.first->thread_pointer);
}

/* ---- real threads and a baton ---- */

static void take_turns(struct worker *worker)
{
	while (relay.left && turn_worker(*relay.turns) == worker && !worker->ended)
		take_turn(worker);
}

static void *baton_body(void *context)
{
	struct worker *worker = context;

	park(worker);
	for (;;) {
		struct worker *next = roster.first;

		take_turns(worker);
		if (worker->ended)
			relay.leaving = worker;
		else if (relay.left)
			next = turn_worker(*relay.turns);
		atomic_store(&worker->state, PARKED);
		state_set(next, HOLDER);
		if (worker->ended)
			return NULL;
		state_await_change(worker, PARKED);
	}
}

static void baton_spawn(struct worker *worker)
{
	spawn(worker, baton_body);
}

static void run_baton(void)
{
	struct worker *first = roster.first;

	for (;;) {
		if (relay.leaving) {
			meter_pause();
			join(relay.leaving);
		}
		relay.leaving = NULL;
		take_turns(first);
		if (!relay.left)
			return;
		atomic_store(&first->state, PARKED);
		state_set(turn_worker(*relay.turns), HOLDER);
		state_await_change(first, PARKED);
	}
}

void lockstep_init(bool baton)
{
	setting.spawn = baton ? baton_spawn : stand_in_spawn;
	relay.pause = roster.plan->entries / SAMPLES;
	relay.pause = relay.pause > SAMPLE_PAUSE ? relay.pause : SAMPLE_PAUSE;
}

uint64_t lockstep_run(void)
{
	do {
		relay.turns = roster_array(roster.plan->turns_offset);
		relay.left = roster.plan->turns;
		if (setting.spawn == baton_spawn)
			run_baton();
		else
			run_identities();
		progress_note();
	} while (parts_next());
	return relay.order;
}
