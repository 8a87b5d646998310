/*
 * The comparison: every allocator runs the same plan, in turn, as many times as asked; each run is
 * proven by its digest before it counts. The baseline (or the first one) runs twice a round: the
 * difference between its two runs is what the machine's noise is worth.
 */
#ifndef REPLAYER_CONTEST_H
#define REPLAYER_CONTEST_H

#include "allocators.h"
#include "bar.h"
#include "planner.h"
#include "request.h"
#include "run.h"
#include "sample.h"
#include "survey.h"

#include <stdbool.h>
#include <stdint.h>

/* One allocator's results. */
struct contestant {
	const struct allocator *allocator;
	bool failed; /* a run of it came to no end, or did something else */
	struct sample ns_per_op;
	struct sample peak_rss_bytes;
	struct sample minor_faults;
	uint64_t peak_live_bytes;
	uint64_t check_errors;
	uint64_t surprises;
	uint64_t stall_ns;        /* of the latest repeat */
	struct run_late late;     /* paced: of the repeat that was latest */
	struct run_series series; /* of its census */
	struct sample latency[RUN_QUANTILES +
			      1]; /* --latency: of all calls; the last one is the maximum */
	char notes[sizeof(((struct run_outcome *)0)->notes)];
};

struct contest {
	const struct request *request;
	const struct survey *survey;
	struct planner_result *plan;
	struct bar *bar;
	struct contestant *contestants;
	size_t count;
	const struct contestant *baseline; /* whom ratios are to; NULL: nobody */
	const struct contestant *again;    /* the one that runs twice a round; NULL: nobody */
	struct sample again_ns_per_op;     /* of its other run: what noise alone makes of it */
	struct sample loop_ns_per_op;      /* on the null allocator */
	bool baton;
	bool failed; /* any of them, or a check found something */
};

/* One run that counts, for who wants to keep it. */
struct contest_run {
	const struct contest *contest;
	const struct allocator *allocator;
	const struct run_outcome *outcome;
	const struct run_series *series; /* of the allocator's census */
	uint64_t repeat;
	double ns_per_op;
	double loop_ns_per_op;  /* on the null allocator, in the same round */
	double again_ns_per_op; /* of contest->again's other run in it */
};

/* Calls that a run executes. */
uint64_t contest_ops(const struct contest *contest);

/*
 * Runs everything (--ablate adds allocators); calls keep after each run that counts. Complaints go
 * to stderr. Returns 0, or a negative errno when the contest could not be held at all (ECANCELED:
 * it is told why); contest_fini() in any case.
 */
int contest_hold(struct contest *contest, struct allocators *allocators,
		 int (*keep)(const struct contest_run *run, void *context), void *context);
void contest_fini(struct contest *contest);

#endif
