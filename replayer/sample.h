/* Repeated measurements of one thing. */
#ifndef REPLAYER_SAMPLE_H
#define REPLAYER_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>

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

/* Half the width of the middle half of the values, over the median; NAN of fewer than two. */
double sample_spread(const struct sample *sample);

/*
 * The two tell a difference: four values or more each, and the middle halves of the values do not
 * overlap.
 */
bool sample_distinct(const struct sample *a, const struct sample *b);

#endif
