/*
 * The bias towards the one lane of the process that writes: while it has it, its records do not
 * pass by the clock's slots, though there are other threads. (Biased locking: Kawachiya, Koseki,
 * Onodera, "Lock Reservation", OOPSLA 2002; here what is reserved is the order.)
 *
 *   63          17 16            1 0
 *   [turns       ] [lane plus one] [held]     0: no lane has written yet
 *
 * Every lane that writes has *heeded* the word as it is: its rank is not below that of what the
 * lane named there wrote under the bias. Another lane than the one that holds the bias ends it by
 * heeding it. Why none is missed, without a fence in the fast path: a lane's rank changes only
 * before a fence (pen_jump()), and the word is looked at behind it, by each record; who changes the
 * word looks at the ranks behind that. So either a record's lane sees the word changed, or whoever
 * changed it sees that record's rank. And who is handed a block sees the word as did the one who
 * recorded it last. The lane that holds the bias looks at its session_lane.alone instead. Every
 * lane that heeds a word that is not held lowers it for the one named there before looking at its
 * rank, not only the one that ended the bias: so whoever hands a block to that one has lowered it.
 */
#ifndef RECORDER_BIAS_H
#define RECORDER_BIAS_H

#include "member.h"

#define BIAS_HELD     ((uint64_t)1)
#define BIAS_UNHEEDED UINT64_MAX /* the word never is that */

extern _Atomic uint64_t bias_word __attribute__((visibility("hidden")));

static inline uint64_t bias_now(void)
{
	return atomic_load_explicit(&bias_word, memory_order_relaxed);
}

/* The process has no lane yet: the first that heeds gets the bias. */
void bias_reset(void);

/* When hakrec has seen none but that lane write for a while, the lane gets the bias. */
void bias_claim(const struct session_lane *lane);

/* Ends another lane's bias. Returns the word that is heeded once the lane has that rank. */
uint64_t bias_heed(const struct session_lane *lane, uint64_t *rank);

#endif
