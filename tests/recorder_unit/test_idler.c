/*
 * The thread that works while a processor has nothing else to do: never at once with its owner, and
 * only when it is wanted. Where others keep all processors busy it does not work, and nothing of it
 * can be seen.
 */
#include "unit.h"

#include "recorder/idler.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#define PATIENCE 20000 /* milliseconds */

/* An idler's thread ends some time after it was stopped. */
static struct idler idlers[3], *idler = idlers;
static _Atomic unsigned turns;
static _Atomic int policy;
static unsigned plain; /* written by whoever works */
static _Atomic unsigned hold_us;
static _Atomic bool holding;

static uint64_t work(void *context)
{
	assert_ptr_equal(context, &plain);
	policy = sched_getscheduler(0);
	holding = hold_us;
	usleep(hold_us);
	holding = false;
	for (unsigned i = 0; i < 1000; i++) {
		unsigned before = plain;

		atomic_signal_fence(memory_order_seq_cst);
		plain = before + 1;
	}
	return ++turns % 2 * 100000;
}

/* False: no processor had nothing else to do. */
static bool wait_for_turns(unsigned count)
{
	for (unsigned ms = 0; ms < PATIENCE; ms++) {
		if (atomic_load(&turns) >= count)
			return true;
		usleep(1000);
	}
	return false;
}

static int start(void **state)
{
	(void)state;
	turns = plain = 0;
	idler_start(idler, work, &plain);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	idler_stop(idler++);
	return 0;
}

static void test_works_when_wanted(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 30; i++) {
		unsigned seen;

		idler_resume(idler, true);
		if (!wait_for_turns(i)) {
			idler_pause(idler);
			skip();
		}
		idler_pause(idler);
		seen = turns;
		assert_int_equal(plain, seen * 1000);
		usleep(2000);
		assert_int_equal(turns, seen);
	}
	assert_int_equal(policy, SCHED_IDLE);
}

/* Whom it kept waiting does without it for a while. */
static void test_rests_when_it_was_stuck(void **state)
{
	(void)state;
	idler_resume(idler, true);
	if (!wait_for_turns(1)) {
		idler_pause(idler);
		skip();
	}
	idler_pause(idler);
	hold_us = 200000;
	idler_resume(idler, true);
	while (!atomic_load(&holding))
		usleep(100);
	idler_pause(idler);
	hold_us = 0;
	assert_int_equal(idler->wary, 50);
	for (unsigned left = 50; left; left--) {
		unsigned seen = turns;

		idler_resume(idler, true);
		usleep(1000);
		idler_pause(idler);
		assert_int_equal(turns, seen);
		assert_int_equal(idler->wary, left - 1);
	}
	idler_resume(idler, true);
	assert_true(idler->wanted);
	idler_pause(idler);
}

static void test_rests_when_not_wanted(void **state)
{
	(void)state;
	idler_resume(idler, false);
	usleep(50000);
	assert_int_equal(turns, 0);
	idler_pause(idler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_works_when_wanted, start, stop),
		cmocka_unit_test_setup_teardown(test_rests_when_it_was_stuck, start, stop),
		cmocka_unit_test_setup_teardown(test_rests_when_not_wanted, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
