/*
 * Writes calls and the plan's own marks into the streams, each with its gap, its place in the total
 * order and its part of the digest: what the runner must come to.
 */
#ifndef REPLAYER_ENTRIES_H
#define REPLAYER_ENTRIES_H

#include "planfile.h"
#include "tempo.h"

#include <stdbool.h>
#include <stdint.h>

/* One call, ready to be written. */
struct entries_call {
	const struct trace_event *event;
	uint32_t stream;
	uint32_t slot;
	uint32_t flags; /* enum plan_flag */
	uint64_t size;
	uint64_t detail;   /* alignment; of a realloc the old block's size */
	uint64_t identity; /* the digest's */
};

struct entries {
	const struct survey *survey;
	struct planfile *file;
	bool lockstep;      /* turns are kept */
	struct tempo tempo; /* paced: tells the time of the row that is being compiled */
	uint64_t *digests;  /* by stream, so far */
	uint64_t order_digest;
	uint64_t ops;     /* calls that are executed */
	uint64_t foreign; /* calls that are not: their block was not allocated in the trace */
	uint64_t failed;  /* calls that failed when recorded */
};

/* The file is open. Returns 0 or -ENOMEM; entries_fini() in any case. */
int entries_init(struct entries *entries, const struct survey *survey, struct planfile *file,
		 bool lockstep);
void entries_fini(struct entries *entries);

/* Returns the call's entry. */
struct plan_op *entries_call(struct entries *entries, const struct entries_call *call);

/* PLAN_SPAWN or PLAN_EXIT. */
void entries_mark(struct entries *entries, uint32_t thread, uint32_t verb, uint32_t slot);

/* Does the next entry, one of that thread's, belong to the turn that the last one belongs to? */
bool entries_turn_goes_on(const struct entries *entries, uint32_t thread);

/* The part of the plan ends here: so does its last turn. */
void entries_part(struct entries *entries);

/* The digest of all streams. */
uint64_t entries_digest(const struct entries *entries);

#endif
