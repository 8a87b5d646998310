/* Laws of medians against all resamples, the rank test against SciPy's figures, comparisons. */
#include "traces/law.h"
#include "traces/ranks.h"
#include "traces/statistic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of one of all n^n resamples. */
static double resampled(const double *sample, size_t n, size_t number)
{
	double draws[8];

	for (size_t i = 0; i < n; i++, number /= n)
		draws[i] = sample[number % n];
	qsort(draws, n, sizeof(*draws), by_value);
	return (draws[(n - 1) / 2] + draws[n / 2]) / 2;
}

static void test_law_is_that_of_all_resamples(void **state)
{
	static const double sample[] = {7, 1, 4, 11, 2.5, 30};

	(void)state;
	for (size_t n = 1; n <= COUNT(sample); n++) {
		size_t all = (size_t)lround(pow((double)n, (double)n));
		double sum = 0;
		struct law law;

		assert_int_equal(law_make(&law, sample, n), 0);
		for (size_t i = 0; i < law.count; i++) {
			size_t found = 0;
			double same = 0;

			for (size_t number = 0; number < all; number++)
				found += near(resampled(sample, n, number), law.points[i].value);
			for (size_t k = 0; k < law.count; k++)
				if (near(law.points[k].value, law.points[i].value))
					same += law.points[k].chance;
			assert_true(near(same, (double)found / (double)all));
			sum += law.points[i].chance;
		}
		assert_true(near(sum, 1));
		law_fini(&law);
	}
}

/* The smallest ratio whose cumulated chance reaches the asked one, by trying all pairs. */
static double ratio_by_trial(const struct law *a, const struct law *b, double chance)
{
	double best = INFINITY;

	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++) {
			double ratio = a->points[i].value / b->points[k].value, sum = 0;

			for (size_t v = 0; v < a->count; v++)
				for (size_t w = 0; w < b->count; w++)
					if (a->points[v].value / b->points[w].value <= ratio)
						sum += a->points[v].chance * b->points[w].chance;
			if (sum >= chance && ratio < best)
				best = ratio;
		}
	return best;
}

static void test_law_of_a_ratio(void **state)
{
	struct law a, b;

	(void)state;
	assert_int_equal(law_make(&a, (double[]){3, 5, 4, 9}, 4), 0);
	assert_int_equal(law_make(&b, (double[]){2, 2.5, 7, 4, 3}, 5), 0);
	for (size_t i = 0; i < 6; i++) {
		double chance = 0.025 + 0.19 * (double)i;

		assert_true(
			near(law_ratio_quantile(&a, &b, chance), ratio_by_trial(&a, &b, chance)));
	}
	law_fini(&a);
	law_fini(&b);
}

static double p_of(const double *a, size_t n, const double *b, size_t m)
{
	double p, q;

	assert_int_equal(ranks_test(&p, a, n, b, m), 0);
	assert_int_equal(ranks_test(&q, b, m, a, n), 0);
	assert_true(near(p, q));
	return p;
}

/* scipy.stats: mannwhitneyu(method="exact"); permutation_test of its statistic where values tie. */
static void test_ranks_exact(void **state)
{
	static const double a[] = {100, 104, 96, 102, 98}, b[] = {50, 49, 51, 52, 48};
	static const double c[] = {99, 105, 97, 101, 100.5};
	double x[10], y[12];

	(void)state;
	assert_true(near(p_of(a, 5, b, 5), 2.0 / 252));
	assert_true(near(p_of(a, 5, c, 5), 0.8412698412698413));
	assert_true(near(p_of(a, 5, a, 5), 1));
	assert_true(near(p_of((double[]){1, 2, 2, 3, 7}, 5, (double[]){2, 3, 3, 5, 8, 9}, 6),
			 0.17316017316017315));
	for (int i = 0; i < 10; i++)
		x[i] = i * 37 % 101 + i / 100.0;
	for (int i = 0; i < 12; i++)
		y[i] = i * 53 % 97 + 9 + i / 77.0;
	assert_true(near(p_of(x, 10, y, 12), 0.8212035642376201));
}

/* mannwhitneyu(method="asymptotic") */
static void test_ranks_of_many(void **state)
{
	double x[60], y[60];

	(void)state;
	for (int i = 0; i < 60; i++) {
		x[i] = i * 37 % 101 + i % 3;
		y[i] = i * 53 % 97 + 9;
	}
	assert_true(near(p_of(x, 60, y, 60), 0.45765056526239023));
	memset(x, 0, sizeof(x));
	assert_true(p_of(x, 60, x, 60) == 1);
}

static void test_comparison(void **state)
{
	static const double base[] = {100, 104, 96, 102, 98}, fast[] = {50, 49, 51, 52, 48};
	struct trace_statistic s;

	(void)state;
	assert_int_equal(trace_statistic_make(&s, fast, 5, base, 5), 0);
	/* A median of 5 draws is the smallest with chance 0.058: the interval is the whole range.
	 */
	assert_true(s.median == 50 && s.low == 48 && s.high == 52 && s.ratio == 0.5);
	assert_true(0.46 < s.ratio_low && s.ratio_low < 0.49);
	assert_true(0.51 < s.ratio_high && s.ratio_high < 0.55);
	assert_int_equal(s.distinct, 1);
	assert_int_equal(trace_statistic_make(&s, base, 5, base, 5), 0);
	assert_true(s.ratio == 1 && s.p == 1 && !s.distinct);
}

static void test_little_is_told_of_few(void **state)
{
	struct trace_statistic s;

	(void)state;
	assert_int_equal(trace_statistic_make(&s, NULL, 0, NULL, 0), 0);
	assert_true(isnan(s.median) && isnan(s.ratio) && isnan(s.p) && !s.distinct);
	assert_int_equal(trace_statistic_make(&s, (double[]){3}, 1, (double[]){2}, 1), 0);
	assert_true(s.median == 3 && s.ratio == 1.5 && isnan(s.low) && isnan(s.ratio_low));
	assert_int_equal(trace_statistic_make(&s, (double[]){1, 2, 3}, 3, (double[]){7, 8, 9}, 3),
			 0);
	assert_true(s.ratio_high < 1 && !s.distinct);
	assert_int_equal(trace_statistic_make(&s, (double[]){1, 2}, 2, (double[]){0, 0}, 2), 0);
	assert_true(s.low == 1 && s.high == 2 && isnan(s.ratio) && !s.distinct);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_law_is_that_of_all_resamples),
		cmocka_unit_test(test_law_of_a_ratio),
		cmocka_unit_test(test_ranks_exact),
		cmocka_unit_test(test_ranks_of_many),
		cmocka_unit_test(test_comparison),
		cmocka_unit_test(test_little_is_told_of_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
