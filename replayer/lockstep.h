/*
 * The recorded total order, exactly. One OS thread executes every worker's turns, taking on its
 * identity by its thread pointer; the worker's own thread sleeps meanwhile, and wakes only to end.
 * Or, where the processor or a tool forbids that: the threads hand each other a baton.
 */
#ifndef REPLAYER_LOCKSTEP_H
#define REPLAYER_LOCKSTEP_H

#include <stdbool.h>
#include <stdint.h>

/* Makes setting.spawn ready. baton: between real threads. */
void lockstep_init(bool baton);

/* Executes the plan's turns; returns the order digest. */
uint64_t lockstep_run(void);

#endif
