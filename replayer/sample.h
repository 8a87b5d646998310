/* Repeated measurements of one thing, and what they tell. */
#ifndef REPLAYER_SAMPLE_H
#define REPLAYER_SAMPLE_H

#include "traces/statistic.h"

#include <stddef.h>

#define SAMPLE_CLAIM 10 /* repeats from which on a difference is worth claiming */

struct sample {
	double *values;
	size_t count;
	size_t size;
};

/* Adds one; 0 or -ENOMEM. */
int sample_add(struct sample *sample, double value);
void sample_fini(struct sample *sample);

/* The middle value, mean of the two middle ones; NAN of nothing. */
double sample_median(const struct sample *sample);

/* Medians, intervals and difference (traces/statistic.h); all NAN when memory lacks. base may be
 * NULL. */
struct trace_statistic sample_compare(const struct sample *sample, const struct sample *base);

#endif
