/* UCB1 against its definition, and on arms of known worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocator/bandit.h"
#include "allocator/learn.h"

static void every_arm_is_played_first(void **state)
{
	struct bandit bandit = {0};

	(void)state;
	for (unsigned arm = 0; arm < BANDIT_ARMS; arm++) {
		assert_int_equal(bandit_choose(&bandit), arm);
		bandit_reward(&bandit, arm, 0.5);
	}
	assert_int_equal(bandit.total, BANDIT_ARMS);
}

static void mean_and_bonus_decide(void **state)
{
	/* After 16 plays the bonus of an arm played k times is sqrt(2 ln 16 / k): 2.355 for one,
	 * 1.665 for two, 0.785 for nine. */
	struct bandit bandit = {
		.plays = {9, 1, 1, 1, 1, 1, 1, 1}, .rewards = {9 * 0.9}, .total = 16};

	(void)state;
	assert_int_equal(bandit_choose(&bandit), 1); /* 1.685 against 2.355 */
	bandit.rewards[3] = 0.1;
	assert_int_equal(bandit_choose(&bandit), 3);
	for (unsigned arm = 1; arm < BANDIT_ARMS; arm++) {
		bandit.plays[arm] = 9;
		bandit.rewards[arm] = 9 * 0.89;
	}
	assert_int_equal(bandit_choose(&bandit), 0);
	assert_int_equal(bandit_favourite(&bandit), 0);
}

static void the_best_arm_is_played_most(void **state)
{
	struct bandit bandit = {0};

	(void)state;
	for (int play = 0; play < 2000; play++) {
		unsigned arm = bandit_choose(&bandit);

		bandit_reward(&bandit, arm, arm == 5 ? 0.9 : 0.3);
	}
	assert_int_equal(bandit_favourite(&bandit), 5);
	assert_true(bandit.plays[5] > 1500);
	/* The regret grows with the logarithm: about 8 ln n / gap^2 plays of each other arm. */
	for (unsigned arm = 0; arm < BANDIT_ARMS; arm++)
		assert_true(bandit.plays[arm] >= 10);
}

static void cost_is_the_weighted_difference(void **state)
{
	struct hak_stats before = {.refills = 5, .mapped_bytes = 1 << 20}, after = before;

	(void)state;
	after.refills += 3;
	after.mmap_calls += 2;
	after.purged_bytes += 10 * 4096;
	after.unmapped_bytes += 100 * 4096;
	after.large_hits += 1000; /* costs nothing */
	assert_int_equal(learn_cost(&before, &after),
			 3 * 40 + 2 * 1000 + 10 * 250 + 100 * 125 + 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_arm_is_played_first),
		cmocka_unit_test(mean_and_bonus_decide),
		cmocka_unit_test(the_best_arm_is_played_most),
		cmocka_unit_test(cost_is_the_weighted_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
