#include "bandit.h"

/* Natural logarithm of n >= 1 to within 0.06, linear between powers of two: the same on every
 * machine, and without the mathematical library. */
static double logarithm(uint32_t n)
{
	unsigned bits = 31 - (unsigned)__builtin_clz(n);
	double fraction = (double)n / (double)(UINT32_C(1) << bits) - 1;

	return (bits + fraction) * 0.69314718055994531;
}

unsigned bandit_choose(const struct bandit *bandit)
{
	unsigned best = 0;
	double best_bound = -1;

	for (unsigned arm = 0; arm < BANDIT_ARMS; arm++) {
		double plays = bandit->plays[arm], bound;

		if (!bandit->plays[arm])
			return arm;
		bound = bandit->rewards[arm] / plays +
			__builtin_sqrt(2 * logarithm(bandit->total) / plays);
		if (bound > best_bound) {
			best_bound = bound;
			best = arm;
		}
	}
	return best;
}

void bandit_reward(struct bandit *bandit, unsigned arm, double reward)
{
	bandit->plays[arm]++;
	bandit->rewards[arm] += reward;
	bandit->total++;
}

unsigned bandit_favourite(const struct bandit *bandit)
{
	unsigned best = 0;

	for (unsigned arm = 1; arm < BANDIT_ARMS; arm++)
		if (bandit->plays[arm] > bandit->plays[best])
			best = arm;
	return best;
}
