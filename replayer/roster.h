/*
 * The workers of a run and the threads that stand for them. The process's first thread is the
 * recorded first one; the others are created where the plan says.
 */
#ifndef REPLAYER_ROSTER_H
#define REPLAYER_ROSTER_H

#include "plan.h"
#include "worker.h"

struct roster {
	const struct plan *plan;
	struct worker *workers; /* by number; then those of the plan's further streams */
	struct worker *first;   /* the process's first thread */
};

extern struct roster roster;

/* Sets up the workers, none of them running. Ends the process when memory lacks. */
void roster_init(const struct plan *plan);

/* Creates worker number's thread. Ends the process on failure. */
void roster_create(struct worker *worker, void *(*body)(void *worker));

/* An array of the plan. */
static inline const void *roster_array(uint64_t offset)
{
	return (const char *)roster.plan + offset;
}

#endif
