/* How the runner gives up: the reason goes into the run's outcome, the process ends at once. */
#ifndef REPLAYER_FAILURE_H
#define REPLAYER_FAILURE_H

#include "run.h"

/* Where reasons and notes go; call once, before anything that can fail. */
void failure_init(struct run_outcome *outcome);

/* Ends the process. The first reason wins when several threads fail. Never allocates. */
_Noreturn void failure(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* Adds a line for the user; the run goes on. */
void failure_note(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

#endif
