/*
 * Compiles a trace into a plan for one schedule, and computes from the trace's rows what the runner
 * must come to: both digests and the peak of live bytes. A plan that would take too much memory is
 * made in parts, one after the other in the same file: once to learn all this, then for every run.
 */
#ifndef REPLAYER_PLANNER_H
#define REPLAYER_PLANNER_H

#include "compiler.h"

struct planner_options {
	enum run_schedule schedule;
	uint64_t skew;  /* parallel, paced: rows that one thread may be ahead of another; at least 1
			 */
	bool survivors; /* list what is alive at the end, for --check */
	uint64_t memory_bytes; /* a part ends where its arrays have grown to this */
	struct bar *bar;       /* shows how far the first pass is; NULL: nobody looks */
};

struct planner_result {
	struct planfile file;
	uint64_t ops;     /* calls that are executed */
	uint64_t foreign; /* calls that are not: their block was not allocated in the trace */
	uint64_t failed;  /* calls that failed when recorded */
	uint64_t peak_live_bytes;
	uint64_t digest;
	uint64_t order_digest; /* lockstep */
	uint64_t bytes;        /* of all parts */
	uint64_t entries;      /* of all threads and parts */
	uint32_t parts;        /* 1: the file holds the whole plan, for every run */
	char error[256];       /* what is wrong with the trace */
	struct planner *planner;
};

/* Returns 0 or a negative errno, with `error` set; planner_fini() in any case. */
int planner_make(struct planner_result *result, struct trace *trace, const struct survey *survey,
		 const struct planner_options *options);
void planner_fini(struct planner_result *result);

/* Of a plan in several parts: makes the first one (again), then each next. Errors as above. */
int planner_rewind(struct planner_result *result);
int planner_next(struct planner_result *result);

#endif
