/* What --fail-if understands, and when it holds. */
#include "replayer/condition.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Ratios of time, cpu, rss, p99.9; which of them are told apart from noise. */
static bool holds(const char *text, double time, double rss, double tail, bool distinct)
{
	double ratios[METRIC_END] = {0};
	bool told[METRIC_END] = {0};
	struct condition condition;

	assert_int_equal(condition_parse(&condition, text), 0);
	ratios[METRIC_TIME] = time;
	ratios[METRIC_RSS] = rss;
	ratios[METRIC_P999] = tail;
	told[METRIC_TIME] = distinct;
	told[METRIC_RSS] = told[METRIC_P999] = true;
	return condition_holds(&condition, ratios, told);
}

static void test_terms(void **state)
{
	(void)state;
	assert_true(holds("time>1.05", 1.06, 1, 1, true));
	assert_false(holds("time>1.05", 1.06, 1, 1, false)); /* noise */
	assert_false(holds("time>1.05", 1.05, 1, 1, true));
	assert_true(holds(" time >= 1.05 ", 1.05, 1, 1, true));
	assert_true(holds("rss<0.9", 1, 0.8, 1, true));
	assert_false(holds("rss<0.9", 1, 0.9, 1, true));
	assert_true(holds("rss<=0.9", 1, 0.9, 1, true));
	assert_true(holds("p99.9>2", 1, 1, 3, true));
}

static void test_joints(void **state)
{
	(void)state;
	assert_true(holds("time>1 or rss>1", 1.1, 1, 1, true));
	assert_true(holds("time>1 or rss>1", 1, 1.1, 1, true));
	assert_false(holds("time>1 and rss>1", 1.1, 1, 1, true));
	assert_true(holds("time>1 and rss>1", 1.1, 1.1, 1, true));
	/* "and" binds closer */
	assert_true(holds("time>1 or rss>1 and p99.9>1", 1.1, 0, 0, true));
	assert_true(holds("time>1 and rss>1 or p99.9>1", 0, 0, 1.1, true));
	assert_false(holds("time>1 and rss>1 or p99.9>1", 0, 2, 0, true));
	assert_false(holds("rss>1 and time>1 and p99.9>1", 1, 2, 2, true));
}

static void refused(const char *text, const char *words)
{
	struct condition condition;

	assert_int_equal(condition_parse(&condition, text), -EINVAL);
	if (!strstr(condition.error, words))
		fail_msg("'%s' says '%s'", text, condition.error);
}

static void test_errors(void **state)
{
	(void)state;
	refused("", "one of time cpu rss faults p50 p90 p99 p99.9 p99.99 max, not '', has to stand "
		    "at character 1");
	refused("tme>1", "not 'tme>1', has to stand at character 1");
	refused("times>1", "at character 1");
	refused("time=1", "one of > >= < <=, not '=1', has to stand at character 5");
	refused("time>", "a ratio above 0, not '', has to stand at character 6");
	refused("time>fast", "not 'fast'");
	refused("time>-1", "a ratio above 0");
	refused("time>nan", "a ratio above 0");
	refused("time>1.05x", "not '1.05x'");
	refused("time>1 xor rss>1", "'and' or 'or', not 'xor', has to stand at character 8");
	refused("time>1 ands rss>1", "'and' or 'or', not 'ands'");
	refused("time>1 and", "one of time");
	refused("time>1 or ", "one of time");
	refused("time>1 or time>1 or time>1 or time>1 or time>1 or time>1 or time>1 or time>1 or "
		"time>1 or time>1 or time>1 or time>1 or time>1 or time>1 or time>1 or time>1 or "
		"time>1",
		"the end (there are 16 terms)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_joints),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
