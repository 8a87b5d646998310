/* The bar's text: share, rate and time left. */
#include "replayer/bar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void nothing_is_done_yet(void **state)
{
	char text[128];

	(void)state;
	bar_text(text, sizeof(text), "1/3 glibc", 0, 1000000, 1);
	assert_string_equal(text, "1/3 glibc [........................]   0 %");
}

static void part_is_done(void **state)
{
	char text[128];

	(void)state;
	bar_text(text, sizeof(text), "2/3 hakmem", 0.25, 40000000, 4);
	assert_string_equal(text, "2/3 hakmem [######..................]  25 %"
				  "  2.50 M calls/s  0:12 left");
}

static void long_runs_take_hours(void **state)
{
	char text[128];

	(void)state;
	bar_text(text, sizeof(text), "null", 0.5, 1000000000, 3600 + 23 * 60 + 5);
	assert_string_equal(text, "null [############............]  50 %"
				  "  0.10 M calls/s  1:23:05 left");
}

static void all_is_done(void **state)
{
	char text[128];

	(void)state;
	bar_text(text, sizeof(text), "null", 1, 3000000, 0.25);
	assert_string_equal(text, "null [########################] 100 %"
				  "  12.00 M calls/s  0:00 left");
}

static void long_labels_are_cut(void **state)
{
	char text[16];

	(void)state;
	bar_text(text, sizeof(text), "an allocator's long name", 0.5, 1000, 1);
	assert_string_equal(text, "an allocator's ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_done_yet),  cmocka_unit_test(part_is_done),
		cmocka_unit_test(long_runs_take_hours), cmocka_unit_test(all_is_done),
		cmocka_unit_test(long_labels_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
