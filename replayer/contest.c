#include "contest.h"

#include "ablation.h"
#include "dispatch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct allocator null_allocator = {.name = "null", .null = true};

/* Kinds of C++ operators. */
#define CXX_KINDS (~0ull << TRACE_NEW)

struct hall {
	struct contest *contest;
	struct dispatcher dispatcher;
	struct run_outcome outcome;
	bool census; /* this run is one */
};

/* hakmem's options, the user's or the environment's, name a file of site rules. */
static bool asks_for_rules(const struct request *request)
{
	const char *options = request_hakmem(request);
	const char *rules = options ? strstr(options, "rules=") : NULL;

	return rules && (rules == options || rules[-1] == ',');
}

static struct run_order order_of(const struct hall *hall, const struct allocator *allocator)
{
	const struct request *request = hall->contest->request;
	struct run_order order = {
		.schedule = request->schedule,
		.copies = (uint32_t)request->copies,
		.speed = request->speed,
		.touch = allocator->null ? RUN_TOUCH_NONE : request->touch,
		.check = request->check && !allocator->null && !hall->census,
		.latency = request->latency && !hall->census,
		.census = hall->census,
		.ops = contest_ops(hall->contest),
		.baton = request->baton,
		.null = allocator->null,
		.hakmem = allocator->hakmem,
		.sites = allocator->hakmem && asks_for_rules(request),
	};

	strcpy(order.library, allocator->path);
	return order;
}

/* Did the run do what the trace says? */
static bool proven(const struct hall *hall, const struct allocator *allocator)
{
	const struct planner_result *plan = hall->contest->plan;
	const struct run_outcome *outcome = &hall->outcome;

	if (outcome->digest == plan->digest && outcome->order_digest == plan->order_digest)
		return true;
	fprintf(stderr,
		"hakreplay: %s: the run's digest is %016llx (order %016llx), the trace's is "
		"%016llx "
		"(order %016llx): it did not do what was recorded\n",
		allocator_label(allocator), (unsigned long long)outcome->digest,
		(unsigned long long)outcome->order_digest, (unsigned long long)plan->digest,
		(unsigned long long)plan->order_digest);
	return false;
}

static void show_faults(const struct run_outcome *outcome, const struct allocator *allocator)
{
	size_t shown = sizeof(outcome->faults) / sizeof(*outcome->faults);

	for (size_t i = 0; i < outcome->check_errors && i < shown; i++)
		fprintf(stderr, "hakreplay: %s: check: %s\n", allocator_label(allocator),
			outcome->faults[i]);
	if (outcome->check_errors > shown)
		fprintf(stderr, "hakreplay: %s: check: %llu more\n", allocator_label(allocator),
			(unsigned long long)outcome->check_errors - shown);
}

/* One run; false when it does not count. */
static bool run(struct hall *hall, const struct allocator *allocator, uint64_t repeat)
{
	const struct request *request = hall->contest->request;
	struct run_order order = order_of(hall, allocator);
	int error;

	bar_begin(hall->dispatcher.bar, "%llu/%llu %s", (unsigned long long)repeat + 1,
		  (unsigned long long)request->repeat, allocator_label(allocator));
	error = dispatch_run(&hall->dispatcher, allocator, &order, &hall->outcome);
	bar_end(hall->dispatcher.bar);
	if (error)
		fprintf(stderr, "hakreplay: %s\n", hall->dispatcher.error);
	show_faults(&hall->outcome, allocator);
	hall->contest->baton |= hall->outcome.baton;
	if (request->schedule == RUN_LOCKSTEP)
		hall->outcome.peak_live_bytes = hall->contest->plan->peak_live_bytes;
	return !error && proven(hall, allocator);
}

static double ns_per_op(const struct hall *hall)
{
	uint64_t ops = contest_ops(hall->contest);

	return ops ? (double)hall->outcome.wall_ns / (double)ops : NAN;
}

static int note(struct contestant *c, const struct hall *hall)
{
	const struct run_outcome *outcome = &hall->outcome;

	c->check_errors += outcome->check_errors;
	c->surprises = outcome->surprises;
	c->stall_ns = outcome->stall_ns;
	if (outcome->late.p99_ns > c->late.p99_ns)
		c->late = outcome->late;
	if (outcome->peak_live_bytes > c->peak_live_bytes)
		c->peak_live_bytes = outcome->peak_live_bytes;
	memcpy(c->notes, outcome->notes, sizeof(c->notes));
	if (sample_add(&c->ns_per_op, ns_per_op(hall)) ||
	    sample_add(&c->peak_rss_bytes, (double)outcome->peak_rss_bytes) ||
	    sample_add(&c->minor_faults, (double)outcome->minor_faults))
		return -ENOMEM;
	for (unsigned i = 0; outcome->latencies && i <= RUN_QUANTILES; i++)
		if (sample_add(&c->latency[i], i < RUN_QUANTILES
						       ? outcome->latency[0].quantile_ns[i]
						       : outcome->latency[0].max_ns))
			return -ENOMEM;
	return 0;
}

/* A run whose time alone is wanted; NAN when it does not count. */
static double time_run(struct hall *hall, const struct allocator *allocator, uint64_t repeat)
{
	if (run(hall, allocator, repeat))
		return ns_per_op(hall);
	hall->contest->failed = true;
	return NAN;
}

static int time_add(struct sample *sample, double ns)
{
	return isfinite(ns) ? sample_add(sample, ns) : 0;
}

/* The loop's own cost, and the noise. */
static int round_begin(struct hall *hall, struct contest_run *kept)
{
	struct contest *contest = hall->contest;
	int error;

	kept->loop_ns_per_op = time_run(hall, &null_allocator, kept->repeat);
	error = time_add(&contest->loop_ns_per_op, kept->loop_ns_per_op);
	kept->again_ns_per_op = NAN;
	if (error || !contest->again || contest->again->failed)
		return error;
	kept->again_ns_per_op = time_run(hall, contest->again->allocator, kept->repeat);
	return time_add(&contest->again_ns_per_op, kept->again_ns_per_op);
}

/* Looks what memory is made of, once, for those who keep results: it takes a run of its own. */
static void census_hold(struct hall *hall, struct contestant *c)
{
	if (!hall->contest->request->json || c->allocator->null)
		return;
	hall->census = true;
	c->failed = !run(hall, c->allocator, 0);
	hall->census = false;
	hall->contest->failed |= c->failed;
	c->series = hall->outcome.series;
}

/* Every allocator once. */
static int round_hold(struct hall *hall, uint64_t repeat,
		      int (*keep)(const struct contest_run *run, void *context), void *context)
{
	struct contest *contest = hall->contest;
	struct contest_run kept = {.contest = contest, .outcome = &hall->outcome, .repeat = repeat};
	int error = round_begin(hall, &kept);

	for (size_t i = 0; !error && i < contest->count; i++) {
		struct contestant *c = &contest->contestants[i];

		if (!c->failed && !c->allocator->unused && !repeat)
			census_hold(hall, c);
		if (c->failed || c->allocator->unused)
			continue;
		c->failed = !run(hall, c->allocator, repeat);
		contest->failed |= c->failed || hall->outcome.check_errors;
		if (c->failed) {
			c->check_errors += hall->outcome.check_errors;
			continue;
		}
		kept.allocator = c->allocator;
		kept.series = &c->series;
		kept.ns_per_op = ns_per_op(hall);
		error = note(c, hall);
		if (!error)
			error = keep(&kept, context);
	}
	return error;
}

static int contestants_make(struct contest *contest, const struct allocators *allocators)
{
	contest->count = allocators->count;
	contest->contestants = calloc(allocators->count + 1, sizeof(*contest->contestants));
	if (!contest->contestants)
		return -ENOMEM;
	for (size_t i = 0; i < allocators->count; i++) {
		struct contestant *c = &contest->contestants[i];

		c->allocator = &allocators->list[i];
		if (contest->request->ablate ? c->allocator->hakmem && !*c->allocator->without
					     : !strcmp(c->allocator->name, "glibc"))
			contest->baseline = c;
	}
	contest->again = contest->baseline ? contest->baseline : contest->contestants;
	if (contest->request->repeat < 2 || contest->again->allocator->null)
		contest->again = NULL;
	return 0;
}

uint64_t contest_ops(const struct contest *contest)
{
	return contest->plan->ops * contest->request->copies;
}

/* Adds the variants of --ablate. */
static int variants_make(struct hall *hall, struct allocators *allocators)
{
	const struct contest *contest = hall->contest;

	if (!contest->request->ablate ||
	    !ablation_make(allocators, contest->request, contest->survey, &hall->dispatcher))
		return 0;
	fprintf(stderr, "hakreplay: %s\n", hall->dispatcher.error);
	return -ECANCELED;
}

int contest_hold(struct contest *contest, struct allocators *allocators,
		 int (*keep)(const struct contest_run *run, void *context), void *context)
{
	struct hall hall = {
		.contest = contest,
		.dispatcher = {.plan = contest->plan,
			       .cxx = contest->survey->kinds & CXX_KINDS,
			       .hakmem_options = contest->request->hakmem,
			       .bar = contest->bar},
	};
	int error = dispatch_init(&hall.dispatcher);

	if (!error)
		error = variants_make(&hall, allocators);
	if (!error)
		error = contestants_make(contest, allocators);
	for (uint64_t repeat = 0; !error && repeat < contest->request->repeat; repeat++)
		error = round_hold(&hall, repeat, keep, context);
	dispatch_fini(&hall.dispatcher);
	return error;
}

void contest_fini(struct contest *contest)
{
	for (size_t i = 0; contest->contestants && i < contest->count; i++) {
		sample_fini(&contest->contestants[i].ns_per_op);
		sample_fini(&contest->contestants[i].peak_rss_bytes);
		sample_fini(&contest->contestants[i].minor_faults);
		for (unsigned q = 0; q <= RUN_QUANTILES; q++)
			sample_fini(&contest->contestants[i].latency[q]);
	}
	free(contest->contestants);
	sample_fini(&contest->again_ns_per_op);
	sample_fini(&contest->loop_ns_per_op);
}
