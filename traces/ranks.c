#include "ranks.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct ranked {
	double value;
	bool ours;
	size_t rank; /* doubled, so that the middle of two is whole */
};

/* What of the two samples the test is about. */
struct ranks {
	struct ranked *all; /* ascending */
	size_t n, m;
	size_t sum;  /* doubled ranks of the first sample */
	double ties; /* sum of t^3 - t over groups of t equal values */
};

static int by_value(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

	return (x > y) - (x < y);
}

static void rank(struct ranks *r)
{
	size_t count = r->n + r->m, end;

	qsort(r->all, count, sizeof(*r->all), by_value);
	for (size_t begin = 0; begin < count; begin = end) {
		double equal;

		for (end = begin; end < count && r->all[end].value == r->all[begin].value;)
			end++;
		for (size_t i = begin; i < end; i++) {
			r->all[i].rank = begin + end + 1;
			r->sum += r->all[i].ours ? r->all[i].rank : 0;
		}
		equal = (double)(end - begin);
		r->ties += equal * equal * equal - equal;
	}
}

static double two_sided(double at_most, double at_least)
{
	return fmin(1, 2 * fmin(at_most, at_least));
}

/*
 * chance[k][s]: that k values chosen at random have the doubled ranks' sum s, made by adding one
 * value after another; only sums of n values are wanted in the end.
 */
static int exact(double *p, const struct ranks *r)
{
	size_t count = r->n + r->m, width = count * (count + 1) + 1;
	double *chance = calloc((r->n + 1) * width, sizeof(*chance));
	const double *last = chance + r->n * width;
	double at_most = 0, at_least = 0;

	if (!chance)
		return -ENOMEM;
	chance[0] = 1;
	for (size_t seen = 0; seen < count; seen++) {
		size_t step = r->all[seen].rank;

		for (size_t k = seen < r->n ? seen + 1 : r->n; k; k--) {
			/* Ways, over those that k of seen + 1 values have. */
			double joins = (double)k / (double)(seen + 1);
			double stays = 1 - joins;
			double *to = chance + k * width;
			const double *from = to - width;

			for (size_t s = width - 1; s >= step; s--)
				to[s] = stays * to[s] + joins * from[s - step];
			for (size_t s = 0; s < step; s++)
				to[s] *= stays;
		}
	}
	for (size_t s = 0; s < width; s++) {
		at_most += s <= r->sum ? last[s] : 0;
		at_least += s >= r->sum ? last[s] : 0;
	}
	free(chance);
	*p = two_sided(at_most, at_least);
	return 0;
}

/* The normal law, with corrections for ties and for continuity. */
static double normal(const struct ranks *r)
{
	double n = (double)r->n, m = (double)r->m, count = n + m;
	double u = (double)r->sum / 2 - n * (n + 1) / 2;
	double variance = n * m / 12 * (count + 1 - r->ties / (count * (count - 1)));
	double away = fabs(u - n * m / 2) - 0.5;

	return variance > 0 ? fmin(1, erfc(away / sqrt(2 * variance))) : 1;
}

int ranks_test(double *p, const double *sample, size_t n, const double *base, size_t m)
{
	struct ranks ranks = {.all = calloc(n + m, sizeof(*ranks.all)), .n = n, .m = m};
	int error = 0;

	if (!ranks.all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		ranks.all[i] = (struct ranked){.value = sample[i], .ours = true};
	for (size_t i = 0; i < m; i++)
		ranks.all[n + i] = (struct ranked){.value = base[i]};
	rank(&ranks);
	if (n * m <= RANKS_EXACT)
		error = exact(p, &ranks);
	else
		*p = normal(&ranks);
	free(ranks.all);
	return error;
}
