/*
 * Entries that are no plain call: calls with an alignment, a size of 4 GiB or more or a failure,
 * reallocs, and the plan's own verbs.
 */
#ifndef REPLAYER_SPECIAL_H
#define REPLAYER_SPECIAL_H

#include "plan.h"
#include "worker.h"

/*
 * Executes one, with its operand if it has one; returns the entry after it. bare: calls are just
 * made, without site keys, and not watched.
 */
const struct plan_op *special_run(struct worker *worker, const struct plan_op *op, bool bare);

/* Gives up: an allocation failed that did not when it was recorded. */
_Noreturn void special_exhausted(const struct worker *worker, unsigned kind, uint64_t size)
	__attribute__((cold));

#endif
