#include "law.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEGLIGIBLE 1e-13 /* chance */
#define ROUNDING   1e-12 /* of sums of chances */

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
	return by_double(&((const struct law_point *)a)->value,
			 &((const struct law_point *)b)->value);
}

static double log_choose(size_t n, size_t k)
{
	return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

/* Chance that at least k of n draws are among the `among` first of n values. */
static double at_least(size_t k, size_t n, size_t among)
{
	double in = (double)among / (double)n;
	double sum = 0;

	if (among == n)
		return 1;
	for (size_t hits = k; among && hits <= n; hits++)
		sum += exp(log_choose(n, hits) + (double)hits * log(in) +
			   (double)(n - hits) * log1p(-in));
	return sum;
}

/* (a^k - b^k) / n^k, for a one above b. */
static double power_step(size_t a, size_t n, size_t k)
{
	double whole = (double)n, power = (double)k;

	return pow((double)a / whole, power) - pow((double)(a - 1) / whole, power);
}

static void point_add(struct law *law, double value, double chance)
{
	if (chance > NEGLIGIBLE)
		law->points[law->count++] = (struct law_point){value, chance};
}

/*
 * For even n the median lies between draws half and half + 1: one of the values up to i is the
 * greatest of the lower half of the draws, and x[j] the least of the upper half.
 */
static void points_between(struct law *law, const double *x, size_t n, size_t i, double lower)
{
	size_t half = n / 2;
	double ways = exp(log_choose(n, half));
	double below = power_step(i + 1, n, half);

	for (size_t j = i + 1; j < n; j++) {
		double chance = ways * below * power_step(n - j, n, half);

		lower -= chance;
		point_add(law, (x[i] + x[j]) / 2, chance);
	}
	point_add(law, x[i], lower);
}

int law_make(struct law *law, const double *sample, size_t n)
{
	size_t most = n % 2 ? n : n * (n + 1) / 2;
	double *x = malloc(n * sizeof(*x));
	double before = 0;

	*law = (struct law){.points = malloc(most * sizeof(*law->points))};
	if (!x || !law->points) {
		free(x);
		law_fini(law);
		return -ENOMEM;
	}
	memcpy(x, sample, n * sizeof(*x));
	qsort(x, n, sizeof(*x), by_double);
	for (size_t i = 0; i < n; i++) {
		double up_to = at_least((n + 1) / 2, n, i + 1);

		if (n % 2)
			point_add(law, x[i], up_to - before);
		else
			points_between(law, x, n, i, up_to - before);
		before = up_to;
	}
	free(x);
	qsort(law->points, law->count, sizeof(*law->points), by_value);
	return 0;
}

void law_fini(struct law *law)
{
	free(law->points);
	*law = (struct law){0};
}

double law_quantile(const struct law *law, double chance)
{
	double sum = 0;
	size_t i = 0;

	for (; i + 1 < law->count; i++) {
		sum += law->points[i].chance;
		if (sum >= chance - ROUNDING)
			break;
	}
	return law->points[i].value;
}

/* Chance that over / under is at most the ratio. */
static double ratio_chance(const struct law *over, const struct law *under, double ratio)
{
	double below = 0, sum = 0;
	size_t i = 0;

	for (size_t k = 0; k < under->count; k++) {
		for (; i < over->count && over->points[i].value <= ratio * under->points[k].value;
		     i++)
			below += over->points[i].chance;
		sum += under->points[k].chance * below;
	}
	return sum;
}

double law_ratio_quantile(const struct law *over, const struct law *under, double chance)
{
	double low = over->points[0].value / under->points[under->count - 1].value;
	double high = over->points[over->count - 1].value / under->points[0].value;

	if (ratio_chance(over, under, low) >= chance - ROUNDING)
		return low;
	for (;;) {
		double middle = low + (high - low) / 2;

		if (middle <= low || middle >= high)
			return high;
		if (ratio_chance(over, under, middle) >= chance - ROUNDING)
			high = middle;
		else
			low = middle;
	}
}
