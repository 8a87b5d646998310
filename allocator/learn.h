/*
 * learn=ucb1: tries settings of the pools and stays with those that cost least. One arm of the
 * bandit (bandit.h) is one setting: the standard one, or it with another refill batch, bound of the
 * thread caches, decay or capacity of the Whale cache. An epoch of LEARN_EPOCH allocations under a
 * setting is one play. A stack that has grown under one setting does not shrink under the next.
 *
 * Cost is computed from what the pools count, never from the clock, so a replay in lockstep learns
 * the same each time. Reward is 1 / (1 + cost / first cost), where the first cost is that of the
 * standard setting's first epoch.
 */
#ifndef LEARN_H
#define LEARN_H

#include <stdint.h>

#include "hakmem.h"

/* Allocations of all threads to an epoch; each looks at the clock every TUNE_STEP. */
#define LEARN_EPOCH 16384

/*
 * Weights of the cost, in nanoseconds. What is returned to the system is paid for again when it is
 * next touched; a page that is held costs a little for every epoch.
 */
#define LEARN_WEIGHTS(X)                                                                           \
	X(refills, 40)                                                                             \
	X(refill_blocks, 2)                                                                        \
	X(flushes, 40)                                                                             \
	X(flush_blocks, 4)                                                                         \
	X(slabs_created, 300)                                                                      \
	X(spans_taken, 100)                                                                        \
	X(spans_returned, 100)                                                                     \
	X(mmap_calls, 1000)                                                                        \
	X(munmap_calls, 1000)                                                                      \
	X(mremap_calls, 1000)                                                                      \
	X(purge_calls, 1000)
#define LEARN_PURGED_PAGE_NS   250
#define LEARN_UNMAPPED_PAGE_NS 125 /* a page of a mapping given back; half are taken as touched */
#define LEARN_HELD_PAGE_NS     1

/* This thread has made TUNE_STEP allocations. Called with no lock held. */
void learn_step(void);

/* The cost in nanoseconds of what happened between two readings of the counters. */
uint64_t learn_cost(const struct hak_stats *before, const struct hak_stats *after);

#endif
