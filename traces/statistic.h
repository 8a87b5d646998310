/*
 * Statistics of repeated measurements, for hakreplay's tables and the Python package alike:
 * medians, their 95 % bootstrap intervals, ratios to a baseline, and whether a difference is there.
 */
#ifndef TRACE_STATISTIC_H
#define TRACE_STATISTIC_H

#include "trace.h"

#define TRACE_STATISTIC_CONFIDENCE 0.95

/* NAN stands for what cannot be known. */
struct trace_statistic {
	double median;
	double low, high; /* bootstrap interval of the median; of at least two values */
	double ratio;     /* median over the baseline's; its median is above 0 */
	double ratio_low, ratio_high;
	double p;         /* two-sided Mann-Whitney test against the baseline */
	int32_t distinct; /* 1: the difference is there: the interval excludes 1, and p < 0.05 */
};

/*
 * Compares n values with the m of a baseline; either may be 0. Fewer than 4 values each never tell
 * a difference. Returns 0 or -ENOMEM.
 */
TRACE_API int trace_statistic_make(struct trace_statistic *statistic, const double *sample,
				   size_t n, const double *base, size_t m);

#endif
