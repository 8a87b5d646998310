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

double sample_median(const struct sample *sample)
{
	size_t middle = sample->count / 2;

	if (!sample->count)
		return NAN;
	if (sample->count % 2)
		return sample->values[middle];
	return (sample->values[middle - 1] + sample->values[middle]) / 2;
}

double sample_spread(const struct sample *sample)
{
	if (sample->count < 2)
		return NAN;
	return (sample->values[sample->count - 1] - sample->values[0]) / 2 / sample_median(sample);
}
