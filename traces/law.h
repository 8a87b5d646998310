/*
 * The bootstrap distribution of the median: not a draw of resamples but the law of all of them, so
 * that equal measurements give equal intervals and no seed is needed.
 *
 * Source: B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7
 * (1979), section 3, which gives the law of the median for an odd number of values.
 */
#ifndef TRACE_LAW_H
#define TRACE_LAW_H

#include <stddef.h>

struct law {
	struct law_point {
		double value;
		double chance;
	} * points; /* by ascending value; chances that no interval can feel are left out */
	size_t count;
};

/* The law of the median of n resampled values, n at least 1. Returns 0 or -ENOMEM. */
int law_make(struct law *law, const double *sample, size_t n);
void law_fini(struct law *law);

/* The smallest value that the median does not exceed with that chance. */
double law_quantile(const struct law *law, double chance);

/* The same for the quotient of two independent medians, all values of the second above 0. */
double law_ratio_quantile(const struct law *over, const struct law *under, double chance);

#endif
