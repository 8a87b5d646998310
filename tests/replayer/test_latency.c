/* Percentiles of latencies: exact counts, bounded errors, rows by kind, size and place. */
#include "replayer/latency.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MILLION 1000000ull /* ticks: what the clock costs is nothing beside it */

static struct run_outcome outcome;

static const struct run_latency *row_of(int kind, uint64_t class_bytes, int place)
{
	for (unsigned i = 0; i < outcome.latencies; i++)
		if (outcome.latency[i].kind == kind &&
		    outcome.latency[i].class_bytes == class_bytes &&
		    outcome.latency[i].place == place)
			return &outcome.latency[i];
	return NULL;
}

static void assert_share(double value, double whole, double share)
{
	if (fabs(value / whole / share - 1) > 1.0 / 100)
		fail_msg("%g of %g is not %g", value, whole, share);
}

static void test_report(void **state)
{
	static struct worker first = {.number = 0}, second = {.number = 1}, third = {.number = 2};

	(void)state;
	latency_init(false);
	for (uint64_t i = 1; i <= 10000; i++)
		latency_add(i % 2 ? &first : &second, TRACE_MALLOC, i % 2 ? 16 : 17, false,
			    i * MILLION);
	/* Another thread goes on where one has ended; nothing is lost. */
	latency_leave(&second);
	for (uint64_t i = 0; i < 30; i++)
		latency_add(&third, TRACE_FREE, UINT64_MAX, i % 3 == 0, 7 * MILLION);
	latency_report(&outcome);

	assert_int_equal(outcome.latency[0].kind, -1);
	assert_int_equal(outcome.latency[0].count, 10030);
	assert_int_equal(row_of(TRACE_MALLOC, 0, -1)->count, 10000);
	assert_int_equal(row_of(TRACE_MALLOC, 16, -1)->count, 5000);
	assert_int_equal(row_of(TRACE_MALLOC, 32, -1)->count, 5000);
	assert_null(row_of(TRACE_MALLOC, 64, -1));
	assert_int_equal(row_of(TRACE_FREE, 0, -1)->count, 30);
	assert_int_equal(row_of(TRACE_FREE, 0, 0)->count, 20);
	assert_int_equal(row_of(TRACE_FREE, 0, 1)->count, 10);
	assert_int_equal(row_of(TRACE_FREE, UINT64_MAX, 1)->count, 10);
	assert_null(row_of(TRACE_CALLOC, 0, -1));

	const struct run_latency *row = row_of(TRACE_MALLOC, 0, -1);
	static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999};

	for (size_t q = 0; q < RUN_QUANTILES; q++)
		assert_share(row->quantile_ns[q], row->max_ns, shares[q]);
	row = row_of(TRACE_FREE, 0, -1);
	for (size_t q = 0; q < RUN_QUANTILES; q++)
		assert_share(row->quantile_ns[q], row->max_ns, 1);
	assert_share(row->max_ns, row_of(TRACE_MALLOC, 0, -1)->max_ns, 7.0 / 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_report)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
