#include "parts.h"

#include "engine.h"
#include "failure.h"
#include "futex.h"
#include "meter.h"
#include "metronome.h"
#include "roster.h"

#define PAGE 4096

static struct run *run;
static const struct plan *plan;

/* Makes an array of the plan resident, so that reading it faults no more. */
static void fetch(uint64_t offset, uint64_t bytes)
{
	const volatile char *at = (const char *)plan + offset / PAGE * PAGE;
	const volatile char *end = (const char *)plan + offset + bytes;

	for (; at < end; at += PAGE)
		(void)*at;
}

static void fetch_all(void)
{
	const struct plan_stream *streams =
		(const void *)((const char *)plan + plan->streams_offset);

	fetch(plan->streams_offset, PLAN_STREAMS(plan->threads) * sizeof(*streams));
	fetch(plan->turns_offset, plan->turns * sizeof(uint32_t));
	fetch(plan->keys_offset, plan->sites * sizeof(uint64_t));
	for (uint32_t i = 0; i < PLAN_STREAMS(plan->threads); i++) {
		fetch(streams[i].offset,
		      (streams[i].cells + PLAN_PADDING) * sizeof(struct plan_op));
		fetch(streams[i].gaps_offset, streams[i].gaps * sizeof(float));
	}
}

void parts_init(struct run *of, const struct plan *first)
{
	run = of;
	plan = first;
	fetch_all();
}

void parts_run_apart(uint32_t number)
{
	for (uint32_t i = 0; i < roster.copies; i++) {
		struct worker *worker = &roster.crews[i].workers[number];

		engine_run(worker, worker->entries);
	}
}

static void part_await(void)
{
	struct run_feed *feed = &run->feed;
	uint32_t wanted = atomic_fetch_add(&feed->wanted, 1) + 1;
	uint32_t made;

	futex_wake_shared(&feed->wanted);
	while ((made = atomic_load(&feed->made)) != wanted && !atomic_load(&feed->failed))
		futex_wait_shared(&feed->made, made);
	if (atomic_load(&feed->failed))
		failure("the next part of the plan could not be made");
}

bool parts_next(void)
{
	uint64_t stall_ns;

	if (plan->last)
		return false;
	meter_part_end();
	part_await();
	fetch_all();
	roster_refill();
	parts_run_apart(PLAN_INHERITED(plan->threads));
	stall_ns = meter_part_begin();
	metronome_shift(stall_ns);
	run->outcome.parts++;
	run->outcome.stall_ns += stall_ns;
	return true;
}
