/*
 * The order of a process's records. Each lane has a clock, in steps of 16 ns, which its records
 * share until it is raised: when the tick has gone by, and when a record is about an address that
 * another lane's was about at a later rank. A record's *rank* is its lane's clock, then its lane;
 * of records of one rank, all of one lane, the order is that in which they lie there.
 */
#ifndef RECORDER_RANK_H
#define RECORDER_RANK_H

#include <stdint.h>

#define RANK_LANE_BITS 15 /* a session has no more lanes */
#define RANK_STEP      ((uint64_t)1 << RANK_LANE_BITS)
#define CLOCK_STEP     16u /* ns */
#define CLOCK_DAYS     104 /* for which a rank has room */

_Static_assert(CLOCK_DAYS *UINT64_C(86400000000000) / CLOCK_STEP >> (64 - RANK_LANE_BITS) == 0,
	       "a rank has room");

static inline uint64_t rank_make(uint64_t clock, uint32_t lane)
{
	return clock / CLOCK_STEP << RANK_LANE_BITS | lane;
}

static inline uint64_t rank_clock(uint64_t rank)
{
	return (rank >> RANK_LANE_BITS) * CLOCK_STEP;
}

/* The last rank of a clock. */
static inline uint64_t rank_last(uint64_t clock)
{
	return rank_make(clock, RANK_STEP - 1);
}

/* The rank of the same lane that is the first one not below another. */
static inline uint64_t rank_raise(uint64_t rank, uint64_t other)
{
	uint64_t same = other / RANK_STEP * RANK_STEP + rank % RANK_STEP;

	return rank >= other ? rank : same >= other ? same : same + RANK_STEP;
}

#endif
