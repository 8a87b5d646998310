/*
 * First look at a trace, before a plan is made of it: how long every thread's part is, where
 * threads begin and end, what kinds of call there are, and whether all of it can be read.
 */
#ifndef REPLAYER_SURVEY_H
#define REPLAYER_SURVEY_H

#include "bar.h"
#include "resident.h"
#include "tempo.h"

#include <stdbool.h>
#include <stdint.h>

struct survey_thread {
	uint64_t rows;      /* calls, start and exit */
	uint64_t first_row; /* TRACE_NONE: the thread does nothing */
	uint64_t last_row;
	bool exits;
	uint32_t creator; /* thread of the call before its first row: starts it */
	uint32_t spawns;  /* threads that it starts */
};

struct survey {
	uint64_t rows; /* that can be read */
	uint64_t calls;
	uint64_t inherited;
	uint64_t lost;   /* calls that the recorder could not keep */
	uint64_t kinds;  /* bit k: kind k is called */
	uint64_t digest; /* of all rows in their order, and of what is resident */
	struct tempo_steps steps;
	struct resident resident;
	uint64_t powers; /* bit k: a block of 2^k bytes is allocated (0: 0 or 1) */
	uint64_t spaces; /* bit k: one of between 2^k and 2^(k + 1) bytes */
	uint32_t n_threads;
	uint32_t main;    /* the process's first thread */
	uint32_t running; /* threads that do something, the first one included */
	struct survey_thread *threads;
	char cut[512]; /* why the rest cannot be read; "" when all can */
};

/*
 * Reads the whole trace, and shows how far it is. A damaged one is an error unless partial: then
 * `cut` says what is missing. Returns 0 or a negative errno, with `cut` set when the trace is at
 * fault.
 */
int survey_make(struct survey *survey, struct trace *trace, bool partial, struct bar *bar);
void survey_fini(struct survey *survey);

/* A block from one size to another may be allocated: exact where both are next to a power of two.
 */
bool survey_uses(const struct survey *survey, uint64_t from_bytes, uint64_t to_bytes);

#endif
