/*
 * The thread that works while a processor has nothing else to do: never at once with its owner, and
 * only when it is wanted. Where others keep all processors busy it does not work, and nothing of it
 * can be seen.
 */
#include "unit.h"

#include "recorder/idler.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 20000 /* milliseconds */

/* An idler's thread ends some time after it was stopped. */
static struct idler idlers[6], *idler = idlers;
static _Atomic unsigned turns;
static _Atomic int policy;
static unsigned plain; /* written by whoever works */
static _Atomic unsigned hold_us;
static _Atomic bool holding;

/* What a thread that works has done between two slices. */
static _Thread_local struct idler *working;
static _Thread_local unsigned yields, yields_held, sleeps_before;

/* Instead of the library's. */
int sched_yield(void)
{
	yields++;
	if (pthread_mutex_trylock(&working->mutex) != 0)
		yields_held++;
	else
		pthread_mutex_unlock(&working->mutex);
	return 0;
}

/* Since this thread last asked. */
static unsigned count_sleeps(void)
{
	struct rusage usage;
	unsigned before = sleeps_before;

	getrusage(RUSAGE_THREAD, &usage);
	sleeps_before = (unsigned)usage.ru_nvcsw;
	return sleeps_before - before;
}

static uint64_t work(void *context)
{
	assert_ptr_equal(context, &plain);
	working = idler;
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

static int start_with(uint64_t (*works)(void *context))
{
	turns = plain = 0;
	idler_start(idler, works, &plain);
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_with(work);
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

#define SLICES 100

static unsigned unbroken, unyielding;

/* There is always more. */
static uint64_t work_on(void *context)
{
	(void)context;
	working = idler;
	if (count_sleeps() == 0 && turns && turns < SLICES) {
		unbroken++;
		unyielding += yields != 1 || yields_held;
	}
	yields = yields_held = 0;
	return ++turns < SLICES ? 0 : 1000000;
}

static int start_work_on(void **state)
{
	(void)state;
	unbroken = unyielding = 0;
	return start_with(work_on);
}

/* It does not sleep while there is more, but offers others the processor, and its owner the work.
 * One slice or another may have been held up, and naps have followed. */
static void test_goes_on_while_there_is_more(void **state)
{
	bool done;

	(void)state;
	idler_resume(idler, true);
	done = wait_for_turns(SLICES);
	idler_pause(idler);
	if (!done)
		skip();
	assert_true(unbroken > 0);
	assert_int_equal(unyielding, 0);
}

/* Works until its owner has asked it to let it work, and would then go on for a while. */
static uint64_t work_until_asked(void *context)
{
	(void)context;
	working = idler;
	turns++;
	while (!atomic_load(&idler->paused))
		;
	return turns % 10 ? 0 : 1000000;
}

static int start_work_until_asked(void **state)
{
	(void)state;
	return start_with(work_until_asked);
}

static void test_owner_works_after_the_slice(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 300; i++) {
		idler_resume(idler, true);
		if (!wait_for_turns(i)) {
			idler_pause(idler);
			skip();
		}
		idler_pause(idler);
		assert_int_equal(turns, i);
	}
}

static unsigned naps_after_late;

/* As if it had lost the processor amidst the first slice. */
static uint64_t work_late(void *context)
{
	unsigned sleeps = count_sleeps();
	struct timespec begin, now;

	(void)context;
	working = idler;
	if (++turns == 2)
		naps_after_late = sleeps;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (turns == 1 &&
		 (now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec < begin.tv_nsec + 5000000);
	return turns == 1 ? 0 : 1000000;
}

static int start_work_late(void **state)
{
	(void)state;
	naps_after_late = 0;
	return start_with(work_late);
}

static void test_naps_after_a_late_slice(void **state)
{
	bool done;

	(void)state;
	idler_resume(idler, true);
	done = wait_for_turns(2);
	idler_pause(idler);
	if (!done)
		skip();
	assert_true(naps_after_late > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_works_when_wanted, start, stop),
		cmocka_unit_test_setup_teardown(test_rests_when_it_was_stuck, start, stop),
		cmocka_unit_test_setup_teardown(test_rests_when_not_wanted, start, stop),
		cmocka_unit_test_setup_teardown(test_goes_on_while_there_is_more, start_work_on,
						stop),
		cmocka_unit_test_setup_teardown(test_owner_works_after_the_slice,
						start_work_until_asked, stop),
		cmocka_unit_test_setup_teardown(test_naps_after_a_late_slice, start_work_late,
						stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
