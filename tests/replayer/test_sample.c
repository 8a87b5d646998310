/* Medians and spreads. */
#include "replayer/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void add_all(struct sample *sample, const double *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sample_add(sample, values[i]), 0);
}

static void test_median(void **state)
{
	struct sample sample = {0};

	(void)state;
	assert_true(isnan(sample_median(&sample)));
	add_all(&sample, (double[]){30, 10, 20}, 3);
	assert_true(sample_median(&sample) == 20);
	add_all(&sample, (double[]){40}, 1);
	assert_true(sample_median(&sample) == 25);
	for (int i = 0; i < 100; i++)
		add_all(&sample, (double[]){i % 2 ? 1000 : -1000}, 1);
	assert_int_equal(sample.count, 104);
	assert_true(sample_median(&sample) == 25);
	sample_fini(&sample);
}

static void test_spread(void **state)
{
	struct sample sample = {0};

	(void)state;
	add_all(&sample, (double[]){100}, 1);
	assert_true(isnan(sample_spread(&sample)));
	add_all(&sample, (double[]){90}, 1);
	assert_true(fabs(sample_spread(&sample) - 2.5 / 95) < 1e-12);
	add_all(&sample, (double[]){80, 110, 1e9}, 3); /* one wild value moves nothing */
	assert_true(sample_spread(&sample) == 0.1);
	sample_fini(&sample);
}

static void test_distinct(void **state)
{
	struct sample a = {0}, b = {0}, c = {0};

	(void)state;
	add_all(&a, (double[]){10, 11, 12}, 3);
	add_all(&b, (double[]){20, 21, 22, 23}, 4);
	add_all(&c, (double[]){11, 12, 13, 30}, 4);
	assert_false(sample_distinct(&a, &b)); /* too few */
	add_all(&a, (double[]){13}, 1);
	assert_true(sample_distinct(&a, &b));
	assert_true(sample_distinct(&b, &a));
	assert_false(sample_distinct(&a, &c));
	assert_false(sample_distinct(&a, &a));
	sample_fini(&a);
	sample_fini(&b);
	sample_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_distinct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
