#include "sample.h"

#include <errno.h>
#include <stdlib.h>

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
	sample->values[sample->count++] = value;
	return 0;
}

void sample_fini(struct sample *sample)
{
	free(sample->values);
}

double sample_median(const struct sample *sample)
{
	return sample_compare(sample, NULL).median;
}

struct trace_statistic sample_compare(const struct sample *sample, const struct sample *base)
{
	struct trace_statistic statistic;

	trace_statistic_make(&statistic, sample->values, sample->count, base ? base->values : NULL,
			     base ? base->count : 0);
	return statistic;
}
