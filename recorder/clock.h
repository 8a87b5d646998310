/*
 * The clock that orders the records of all threads: Lamport's, carried by the addresses. A record's
 * rank (rank.h) is not below that of the record before in its lane, nor that of the last record
 * about the same address or one that shares its slot, and its clock is above the tick.
 */
#ifndef RECORDER_CLOCK_H
#define RECORDER_CLOCK_H

#include "member.h"

#define CLOCK_SLOT_BITS 18

struct clock {
	_Atomic uint64_t *slots;
	bool exact;                    /* every record has its own time */
	uint64_t tsc_start, tsc_scale; /* scale 0: exact time by clock_gettime */
};

extern struct clock clock_state __attribute__((visibility("hidden")));

/* Makes the slots. False: no memory. */
bool clock_open(const struct session *s);

/* Raises the tick to at least clock. */
void clock_raise(uint64_t clock);

/*
 * The rank of a lane's next record, at least rank: its clock is above the tick. The fast path does
 * without the tick: hakrec sends every lane that writes onto the slow path after it has raised it.
 */
uint64_t clock_next(uint64_t rank);

/* The tick has not come to that rank. */
static inline bool clock_ahead(uint64_t rank)
{
	return rank_clock(rank) > atomic_load_explicit(&member.session->tick, memory_order_relaxed);
}

/* Blocks within 64 bytes share a slot: few cache lines hold those of the blocks in use, and mostly
 * they change hands together or not at all. Those 16 MiB apart do not. */
static inline _Atomic uint64_t *clock_slot(uint64_t addr)
{
	uint64_t far = (addr >> 24) * 0x9e3779b97f4a7c15u >> 40;

	return clock_state.slots + (((addr >> 6) + far) & ((1u << CLOCK_SLOT_BITS) - 1));
}

/*
 * The rank of a record about addr, at least rank. What a lane did last about an address at a rank
 * stands in the slot already, mostly: then there is nothing to write.
 */
static inline uint64_t clock_pass(uint64_t addr, uint64_t rank)
{
	_Atomic uint64_t *slot = clock_slot(addr);
	uint64_t last = atomic_load_explicit(slot, memory_order_relaxed);

	/* Relaxed: what orders two calls about one block is the program itself; a slot only carries
	 * the number along. */
	while (last != rank) {
		rank = rank_raise(rank, last);
		if (atomic_compare_exchange_weak_explicit(slot, &last, rank, memory_order_relaxed,
							  memory_order_relaxed))
			break;
	}
	return rank;
}

#endif
