/*
 * Turns rows of a trace into entries of a plan, one after the other, and computes what the runner
 * must come to. It knows who is alive and where; planner.h decides where a part of the plan ends.
 */
#ifndef REPLAYER_COMPILER_H
#define REPLAYER_COMPILER_H

#include "entries.h"
#include "pacing.h"
#include "planfile.h"
#include "run.h"
#include "slots.h"
#include "survey.h"
#include "traces/live.h"

struct compiler_tally {
	uint64_t ops;     /* calls that are executed */
	uint64_t foreign; /* calls that are not: their block was not allocated in the trace */
	uint64_t failed;  /* calls that failed when recorded */
	uint64_t peak_live_bytes;
	uint64_t digest;
	uint64_t order_digest; /* lockstep */
};

struct compiler {
	const struct survey *survey;
	enum run_schedule schedule;
	struct planfile *file;
	struct compiler_thread *threads; /* by stream */
	struct entries entries;
	struct pacing pacing;
	struct slots slots;
	struct live live;
	uint64_t row;    /* the latest */
	char error[256]; /* what is wrong with the trace */
};

/* The file is open. Returns 0 or -ENOMEM; compiler_fini() in any case. */
int compiler_init(struct compiler *compiler, const struct survey *survey,
		  enum run_schedule schedule, uint64_t skew, struct planfile *file);
void compiler_fini(struct compiler *compiler);

/* Writes the entries of one row. Returns 0 or a negative errno; -EBADMSG sets `error`. */
int compiler_row(struct compiler *compiler, const struct trace_batch *batch, size_t i);

/* May a part end before this row? Lockstep's turns go on from part to part otherwise. */
bool compiler_seam(const struct compiler *compiler, const struct trace_batch *batch, size_t i);

/* The part ends with the latest row: every thread leaves its epoch and tells its live bytes. */
void compiler_part(struct compiler *compiler);

/* Lists what is alive, so that it can be verified. */
void compiler_survivors(struct compiler *compiler);

/* What has been compiled so far. */
struct compiler_tally compiler_tally(const struct compiler *compiler);

#endif
