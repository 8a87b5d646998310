#include "statistic.h"

#include "law.h"
#include "ranks.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAIL ((1 - TRACE_STATISTIC_CONFIDENCE) / 2)

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int median(double *result, const double *sample, size_t n)
{
	double *x = n ? malloc(n * sizeof(*x)) : NULL;

	*result = NAN;
	if (!n)
		return 0;
	if (!x)
		return -ENOMEM;
	memcpy(x, sample, n * sizeof(*x));
	qsort(x, n, sizeof(*x), by_value);
	*result = (x[(n - 1) / 2] + x[n / 2]) / 2;
	free(x);
	return 0;
}

/* Against a baseline whose law of the median is known. */
static int against(struct trace_statistic *s, const struct law *law, const struct law *base_law,
		   const double *sample, size_t n, const double *base, size_t m)
{
	int error = ranks_test(&s->p, sample, n, base, m);

	if (error || base_law->points[0].value <= 0)
		return error;
	s->ratio_low = law_ratio_quantile(law, base_law, TAIL);
	s->ratio_high = law_ratio_quantile(law, base_law, 1 - TAIL);
	s->distinct =
		(s->ratio_low > 1 || s->ratio_high < 1) && s->p < 1 - TRACE_STATISTIC_CONFIDENCE;
	return 0;
}

int trace_statistic_make(struct trace_statistic *s, const double *sample, size_t n,
			 const double *base, size_t m)
{
	struct law law = {0}, base_law = {0};
	double base_median;
	int error;

	*s = (struct trace_statistic){NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0};
	error = median(&s->median, sample, n);
	if (!error)
		error = median(&base_median, base, m);
	if (!error && base_median > 0)
		s->ratio = s->median / base_median;
	if (!error && n > 1)
		error = law_make(&law, sample, n);
	if (!error && n > 1) {
		s->low = law_quantile(&law, TAIL);
		s->high = law_quantile(&law, 1 - TAIL);
	}
	if (!error && n > 1 && m > 1 && base_median > 0) {
		error = law_make(&base_law, base, m);
		if (!error)
			error = against(s, &law, &base_law, sample, n, base, m);
	}
	law_fini(&law);
	law_fini(&base_law);
	return error;
}
