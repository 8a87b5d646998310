#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "allocator/option.h"

static char warned[256];
static int warnings;

void __wrap_notice_warning(const char *what, const char *word);

void __wrap_notice_warning(const char *what, const char *word)
{
	snprintf(warned, sizeof(warned), "%s '%s'", what, word ? word : "");
	warnings++;
}

static int forget(void **state)
{
	(void)state;
	warnings = 0;
	warned[0] = 0;
	return 0;
}

static void defaults_hold_without_variables(void **state)
{
	(void)state;
	option_parse(NULL, NULL);
	assert_int_equal(options.tls, 1);
	assert_int_equal(options.tiny, 1);
	assert_int_equal(options.l25, 1);
	assert_int_equal(options.whale, 1);
	assert_int_equal(options.whale_capacity, 64);
	assert_false(options.stats);
	assert_string_equal(options.stats_file, "");
	option_parse("", NULL);
	assert_int_equal(warnings, 0);
}

static void switches_are_read(void **state)
{
	(void)state;
	option_parse("tls=0,l25=0,tiny=1,stats=1", "7");
	assert_int_equal(options.tls, 0);
	assert_int_equal(options.tiny, 1);
	assert_int_equal(options.l25, 0);
	assert_true(options.stats);
	assert_int_equal(options.whale_capacity, 7);
	option_parse("whale=0,stats=/some/file.json,", "7");
	assert_int_equal(options.whale_capacity, 0);
	assert_int_equal(options.tls, 1);
	assert_false(options.stats);
	assert_string_equal(options.stats_file, "/some/file.json");
	assert_false(options.learn);
	assert_string_equal(options.rules, "");
	option_parse("rules=/some/app.rules,learn=ucb1", NULL);
	assert_true(options.learn);
	assert_string_equal(options.rules, "/some/app.rules");
	option_parse("learn=off,rules=", NULL);
	assert_false(options.learn);
	assert_string_equal(options.rules, "");
	assert_int_equal(warnings, 0);
}

static void mistakes_are_reported_and_change_nothing(void **state)
{
	(void)state;
	option_parse("tsl=0", NULL);
	assert_string_equal(warned, "HAKMEM_OPTIONS has an unknown key 'tsl'");
	option_parse("tls=2", NULL);
	assert_string_equal(warned, "HAKMEM_OPTIONS has a value that is not 0 or 1 for 'tls'");
	assert_int_equal(options.tls, 1);
	option_parse("tls=", NULL);
	assert_int_equal(options.tls, 1);
	option_parse("tls", NULL);
	assert_string_equal(warned, "no '=' in HAKMEM_OPTIONS after 'tls'");
	option_parse(NULL, "many");
	assert_string_equal(warned, "HKM_WHALE_CAPACITY is not a number from 0 to 64: 'many'");
	assert_int_equal(options.whale_capacity, 64);
	assert_int_equal(warnings, 5);
}

static void words_of_any_length_are_safe(void **state)
{
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	option_parse(text, text);
	memcpy(text, "stats=", 6);
	option_parse(text, NULL);
	assert_string_equal(options.stats_file, "");
	assert_int_equal(warnings, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(defaults_hold_without_variables, forget),
		cmocka_unit_test_setup(switches_are_read, forget),
		cmocka_unit_test_setup(mistakes_are_reported_and_change_nothing, forget),
		cmocka_unit_test_setup(words_of_any_length_are_safe, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
