/*
 * UCB1, a policy for the multi-armed bandit: plays the arm whose mean reward plus a bonus for being
 * seldom played is highest. P. Auer, N. Cesa-Bianchi, P. Fischer: Finite-time Analysis of the
 * Multiarmed Bandit Problem, Machine Learning 47 (2002), figure 1.
 */
#ifndef BANDIT_H
#define BANDIT_H

#include <stdint.h>

#define BANDIT_ARMS 8

/* Zeroed: nothing played yet. */
struct bandit {
	uint32_t plays[BANDIT_ARMS];
	double rewards[BANDIT_ARMS]; /* sums */
	uint32_t total;              /* plays of all arms */
};

/* The arm to play next: each once in turn, then by the rule. */
unsigned bandit_choose(const struct bandit *bandit);

/* The arm was played for a reward from 0 to 1. */
void bandit_reward(struct bandit *bandit, unsigned arm, double reward);

/* The arm played most; the first of several. */
unsigned bandit_favourite(const struct bandit *bandit);

#endif
