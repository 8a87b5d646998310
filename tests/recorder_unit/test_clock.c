/* Ranks, and the slots that carry them from lane to lane. */
#include "unit.h"

#include "recorder/clock.h"

enum { A = 3, B = 7 };

static int open_slots(void **state)
{
	static struct session session;

	(void)state;
	session = (struct session){.tick = 1000};
	member.session = &session;
	return clock_open(&session) ? 0 : -1;
}

static void test_rank(void **state)
{
	(void)state;
	assert_int_equal(rank_clock(rank_make(1600, B)), 1600);
	/* A clock goes in steps. */
	assert_int_equal(rank_make(1615, B), rank_make(1600, B));
	assert_int_equal(rank_make(1616, B), rank_make(1600, B) + RANK_STEP);
	assert_true(rank_make(1600, B) < rank_make(1616, A));
	assert_true(rank_make(1600, A) < rank_make(1600, B));
	assert_true(rank_last(1600) >= rank_make(1600, RANK_STEP - 1));
	assert_true(rank_last(1600) < rank_make(1616, 0));
}

static void test_raise(void **state)
{
	(void)state;
	assert_int_equal(rank_raise(rank_make(1600, A), rank_make(160, B)), rank_make(1600, A));
	assert_int_equal(rank_raise(rank_make(1600, A), rank_make(1600, A)), rank_make(1600, A));
	/* The higher lane comes later at the same clock, the lower one at the next. */
	assert_int_equal(rank_raise(rank_make(160, B), rank_make(1600, A)), rank_make(1600, B));
	assert_int_equal(rank_raise(rank_make(160, A), rank_make(1600, B)), rank_make(1616, A));
}

static void test_slots(void **state)
{
	uint64_t addr = 0x7f0000001230, far = addr + ((uint64_t)16 << CLOCK_SLOT_BITS);
	uint64_t a = rank_make(1600, A), b = rank_make(1600, B);

	(void)state;
	assert_int_equal(clock_pass(addr, a), a);
	/* What it did itself does not raise a lane, what another did does, and only there. */
	assert_int_equal(clock_pass(addr, a), a);
	assert_int_equal(clock_pass(addr, b), b);
	assert_int_equal(clock_pass(addr + 16, a), a);
	assert_int_equal(clock_pass(far, a), a);
	assert_int_equal(clock_pass(addr, a), rank_make(1616, A));
	assert_int_equal(clock_pass(addr, b), rank_make(1616, B));
}

static void test_tick(void **state)
{
	uint64_t low = rank_make(160, A), high = rank_make(3200, A);

	(void)state;
	clock_raise(1000);
	/* Above the tick, whatever its remainder. */
	assert_int_equal(clock_next(low), rank_make(1008, A));
	assert_true(rank_clock(clock_next(low)) > 1000);
	clock_raise(1008);
	assert_true(rank_clock(clock_next(low)) > 1008);
	/* The tick never falls. */
	clock_raise(1);
	assert_true(rank_clock(clock_next(low)) > 1008);
	assert_int_equal(clock_next(high), high);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rank),
		cmocka_unit_test(test_raise),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_tick),
	};

	return cmocka_run_group_tests(tests, open_slots, NULL);
}
