/*
 * Executes streams: calls the functions under test, keeps slots and digests. The schedules decide
 * which thread runs which stretch, and when.
 */
#ifndef REPLAYER_ENGINE_H
#define REPLAYER_ENGINE_H

#include "plan.h"
#include "worker.h"

/*
 * Executes the next entries of a worker's stream. Nothing here or below it may use thread-local
 * storage of the runner: in lockstep the thread pointer is another thread's.
 */
void engine_run(struct worker *worker, uint64_t entries);

#endif
