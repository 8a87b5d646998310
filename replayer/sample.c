#include "sample.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int sample_add(struct sample *sample, double value)
{
	if (sample->count == sample->size) {
		size_t size = sample->size ? 2 * sample->size : 16;
		double *values = realloc(sample->values, size * sizeof(*values));

		if (!values)
			return -ENOMEM;
		sample->values = values;
		sample->size = size;
	}
	/* Kept in ascending order. */
	size_t at = sample->count++;

	while (at && sample->values[at - 1] > value) {
		sample->values[at] = sample->values[at - 1];
		at--;
	}
	sample->values[at] = value;
	return 0;
}

void sample_fini(struct sample *sample)
{
	free(sample->values);
}

/* The value below which that share of the others lies, between two values in proportion. */
static double quantile(const struct sample *sample, double share)
{
	double place = share * (double)(sample->count - 1);
	size_t below = (size_t)place;
	size_t above = below + 1 < sample->count ? below + 1 : below;

	return sample->values[below] +
	       (place - (double)below) * (sample->values[above] - sample->values[below]);
}

double sample_median(const struct sample *sample)
{
	return sample->count ? quantile(sample, 0.5) : NAN;
}

double sample_spread(const struct sample *sample)
{
	if (sample->count < 2)
		return NAN;
	return (quantile(sample, 0.75) - quantile(sample, 0.25)) / 2 / sample_median(sample);
}

bool sample_distinct(const struct sample *a, const struct sample *b)
{
	return a->count >= 4 && b->count >= 4 &&
	       (quantile(a, 0.75) < quantile(b, 0.25) || quantile(b, 0.75) < quantile(a, 0.25));
}
