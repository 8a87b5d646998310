/*
 * The workers of a run and the threads that stand for them: a crew for each copy of the trace. The
 * process's first thread is the recorded first one of the first copy; the others are created where
 * the plan says.
 */
#ifndef REPLAYER_ROSTER_H
#define REPLAYER_ROSTER_H

#include "gate.h"
#include "plan.h"
#include "worker.h"

/* One copy of the trace. */
struct crew {
	struct worker *workers; /* by number; then those of the plan's further streams */
	struct slot *slots;
	struct gate gate;
};

struct roster {
	const struct plan *plan;
	struct crew *crews;
	uint32_t copies;
	uint32_t slots;       /* of each copy, so far */
	struct worker *first; /* the process's first thread */
};

extern struct roster roster;

/* Sets up the crews, nobody running. Ends the process when memory lacks. */
void roster_init(const struct plan *plan, uint32_t copies);

/* The plan has a new part: gives everybody the streams of it. Nobody may be running. */
void roster_refill(void);

/* Creates worker number's thread. Ends the process on failure. */
void roster_create(struct worker *worker, void *(*body)(void *worker));

/* An array of the plan. */
static inline const void *roster_array(uint64_t offset)
{
	return (const char *)roster.plan + offset;
}

#endif
