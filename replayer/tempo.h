/*
 * Times for the paced schedule. Recorded times are coarse: the recorder looks at the clock once in
 * a while, and counts up from there by a nanosecond a call. Rows less than a grain apart are taken
 * to share one time. They are spread evenly from their time to the next one, but over no more than
 * the trace's usual step, so that a pause stays a pause.
 */
#ifndef REPLAYER_TEMPO_H
#define REPLAYER_TEMPO_H

#include "traces/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Grain of coarse times, and of exact ones: rows of equal time alone. */
#define TEMPO_COARSE_NS 1000
#define TEMPO_EXACT_NS  1

/* Lengths of the steps from one time to the next, by their binary logarithm. */
struct tempo_steps {
	uint64_t grain_ns;
	uint64_t count[64];
	uint64_t last_ns;
};

/* Counts the steps of a batch that follows the one before. */
void tempo_survey(struct tempo_steps *steps, const struct trace_batch *batch);

/* The usual step, ns: the middle one; 0 when time stands still. */
uint64_t tempo_usual_step(const struct tempo_steps *steps);

struct tempo {
	uint64_t grain_ns;
	uint64_t step_ns; /* the usual one */
	double origin_ns; /* time of the first row, once there is one; then times count from it */
	double now_ns;    /* of the latest row, spread */
	bool begun;
	uint64_t run_first; /* rows of one time that the latest row is one of ... */
	uint64_t run_ns;    /* their time */
	uint64_t run_past;  /* ... and the row after them */
};

/* Spread time of row i of a batch, from the first row asked for; never less than the last answer.
 */
double tempo_time(struct tempo *tempo, const struct trace_batch *batch, size_t i);

#endif
