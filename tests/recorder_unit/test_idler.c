/*
 * The thread that works while a processor has nothing else to do: never at once with the one that
 * gives it work, which can have it stop at any time.
 */
#include "unit.h"

#include "recorder/idler.h"

#include <sched.h>
#include <unistd.h>

static struct idler idler;
static _Atomic unsigned begun, ended;
static _Atomic int policy;
static unsigned plain; /* written by whoever works */

/* Work without end. */
static bool toil(void *context)
{
	(void)context;
	policy = sched_getscheduler(0);
	begun++;
	while (!atomic_load(&idler.hurry))
		plain++;
	ended++;
	return false;
}

static bool finish(void *context)
{
	(void)context;
	plain++;
	ended++;
	return true;
}

static void wait_for(_Atomic unsigned *count, unsigned value)
{
	while (atomic_load(count) < value)
		usleep(1000);
}

static void start(bool (*work)(void *))
{
	begun = ended = plain = 0;
	assert_int_equal(idler_start(&idler, work, NULL), 0);
	assert_true(idler_pause(&idler));
}

static void test_work_is_done(void **state)
{
	(void)state;
	start(finish);
	for (unsigned i = 1; i <= 100; i++) {
		idler_resume(&idler, true);
		wait_for(&ended, i);
		assert_true(idler_pause(&idler));
		assert_int_equal(plain, i);
	}
	idler_resume(&idler, false);
	assert_true(idler_pause(&idler));
	assert_int_equal(ended, 100);
	idler_stop(&idler);
}

static void test_stops_when_hurried(void **state)
{
	(void)state;
	start(toil);
	for (unsigned i = 1; i <= 100; i++) {
		unsigned seen;

		idler_resume(&idler, true);
		wait_for(&begun, i);
		assert_false(idler_pause(&idler));
		assert_int_equal(ended, i);
		seen = plain;
		usleep(100);
		assert_int_equal(plain, seen);
	}
	assert_int_equal(policy, SCHED_IDLE);
	idler_stop(&idler);
	assert_int_equal(begun, 100);
}

/* Work that was given and not begun is the caller's. */
static void test_taken_back(void **state)
{
	(void)state;
	start(finish);
	for (unsigned i = 0; i < 1000; i++) {
		unsigned before = ended;
		bool done;

		idler_resume(&idler, true);
		done = idler_pause(&idler);
		assert_int_equal(ended - before, done ? 1 : 0);
	}
	idler_stop(&idler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_work_is_done),
		cmocka_unit_test(test_stops_when_hurried),
		cmocka_unit_test(test_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
