/*
 * The clock that orders the records of all threads: Lamport's, carried by the addresses. Each
 * record's clock is greater than that of the record before in its lane, than that of the last
 * record about the same address (or one that shares its slot), and than the tick.
 */
#ifndef RECORDER_CLOCK_H
#define RECORDER_CLOCK_H

#include "member.h"

#include <sys/single_threaded.h>
#include <x86intrin.h>

#define CLOCK_SLOT_BITS 18

#pragma weak __libc_single_threaded /* another C library has none, and is never recorded */

struct clock {
	_Atomic uint64_t *slots;
	uint64_t tsc_start, tsc_scale; /* 0: exact time by clock_gettime */
	char coarse;                   /* time is the tick's */
};

extern struct clock clock_state;

/* Makes the slots. False: no memory. */
bool clock_open(const struct session *s);

/* Raises the tick to at least clock. */
void clock_raise(uint64_t clock);

static inline uint64_t clock_tick(void)
{
	return atomic_load_explicit(&member.session->tick, memory_order_relaxed);
}

/* Neighbouring blocks share cache lines of slots; blocks 4 MiB apart do not share slots. */
static inline _Atomic uint64_t *clock_slot(uint64_t addr)
{
	uint64_t far = (addr >> 22) * 0x9e3779b97f4a7c15u >> 40;

	return clock_state.slots + (((addr >> 4) + far) & ((1u << CLOCK_SLOT_BITS) - 1));
}

static inline uint64_t clock_exact(void)
{
	if (!clock_state.tsc_scale)
		return session_now(member.session);
	return (uint64_t)((__uint128_t)(__rdtsc() - clock_state.tsc_start) *
				  clock_state.tsc_scale >>
			  32);
}

static inline uint64_t clock_shared(uint64_t addr, uint64_t clock)
{
	_Atomic uint64_t *slot = clock_slot(addr);
	uint64_t last;

	if (!clock_state.coarse) {
		uint64_t now = clock_exact();

		clock = now > clock ? now : clock;
	}
	/* Relaxed: what orders two calls about one block is the program itself; a slot only carries
	 * the number along. */
	last = atomic_load_explicit(slot, memory_order_relaxed);
	do {
		clock = last >= clock ? last + 1 : clock;
	} while (!atomic_compare_exchange_weak_explicit(slot, &last, clock, memory_order_relaxed,
							memory_order_relaxed));
	return clock;
}

/*
 * The clock of a record about addr, at least next. While the program has one thread its lane alone
 * is the order: whatever thread comes later starts above it (guest.c).
 */
static inline uint64_t clock_take(uint64_t addr, uint64_t next)
{
	uint64_t tick = clock_tick();
	uint64_t clock = tick >= next ? tick + 1 : next;

	if (__builtin_expect(__libc_single_threaded & clock_state.coarse, 1))
		return clock;
	return clock_shared(addr, clock);
}

#endif
