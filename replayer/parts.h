/*
 * A plan in several parts: when all threads have executed one, hakreplay makes the next one in its
 * place, while the clocks stand still.
 */
#ifndef REPLAYER_PARTS_H
#define REPLAYER_PARTS_H

#include "plan.h"
#include "run.h"

#include <stdbool.h>

/* The plan is mapped, the roster not yet made. Makes the first part resident. */
void parts_init(struct run *run, const struct plan *plan);

/*
 * Every thread has executed its stream. False when that was the last part; otherwise the workers
 * have new streams, and what is to be executed apart from them has been.
 */
bool parts_next(void);

/* Executes a stream that is no thread's, of every copy. */
void parts_run_apart(uint32_t number);

#endif
