/* The stress program with each part of hakmem switched off in turn, also under sanitizers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char program[PATH_MAX];

static void stress(void **options)
{
	char command[PATH_MAX + 64];

	assert_int_equal(setenv("HAKMEM_OPTIONS", *options, 1), 0);
	snprintf(command, sizeof(command), "'%s/stress' --lives 40 --seed 11 >/dev/null", program);
	assert_int_equal(system(command), 0);
}

#define WITH(options)                                                                              \
	{                                                                                          \
		"stress " options, stress, NULL, NULL, (char[])                                    \
		{                                                                                  \
			options                                                                    \
		}                                                                                  \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(""), WITH("tls=0"), WITH("tiny=0"), WITH("l25=0"), WITH("whale=0"),
	};

	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		return 1;
	dirname(program);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
