/*
 * The sites of this process: a number for each pair of return address and stack height, given when
 * the pair is first seen and told to hakrec in a note. The SITE_WALK-th time a site is seen its
 * stack is copied into a note as well.
 */
#ifndef RECORDER_CALLSITE_H
#define RECORDER_CALLSITE_H

#include "record.h"
#include "traces/sitekey.h"

#define CALLSITE_WALK 16 /* at which sight a stack is copied */
#define CALLSITE_ID   ((UINT64_C(1) << RECORD_SITE_BITS) - 1)
#define CALLSITE_DONE UINT64_C(255) /* count of a site whose stack is copied */

/* One site: addr is written last, so whoever sees it sees rest. */
struct callsite {
	_Atomic uint64_t addr;
	_Atomic uint64_t rest; /* height, 32 bits; count, 8 bits; number, 24 bits */
};

struct callsite_table {
	unsigned shift; /* 64 less the binary logarithm of the number of entries */
	uint32_t used;
	uint64_t mask;
	struct callsite entries[];
};

/* The call whose site is asked for. */
struct callsite_call {
	uintptr_t addr;  /* return address */
	uintptr_t frame; /* canonical frame address */
	uintptr_t base;  /* the caller's frame pointer register */
	uint32_t height;
};

extern struct callsite_table *_Atomic callsite_table;

/* Readies the table for sites of the session's mode. False: no memory. */
bool callsite_open(const struct session *s);

/* Gives new numbers from now on: addresses may mean something else. Notepad locked. */
void callsite_forget(void);

/* The slow path: a site not at its first place in the table, not seen or not yet walked. */
uint32_t callsite_find(const struct callsite_call *call);

static inline uint64_t callsite_hash(uint64_t addr, uint32_t height)
{
	return (addr ^ (uint64_t)height << 20) * 0x9e3779b97f4a7c15u;
}

static inline uint32_t callsite_number(const struct callsite_call *call)
{
	/* Consume: the table's contents depend on its address. */
	struct callsite_table *table = atomic_load_explicit(&callsite_table, memory_order_relaxed);
	struct callsite *site =
		table->entries + (callsite_hash(call->addr, call->height) >> table->shift);
	uint64_t addr = atomic_load_explicit(&site->addr, memory_order_acquire);
	uint64_t rest = atomic_load_explicit(&site->rest, memory_order_relaxed);
	uint64_t wanted = (uint64_t)call->height << 32 | CALLSITE_DONE << RECORD_SITE_BITS;

	if (__builtin_expect(addr == call->addr && (rest & ~CALLSITE_ID) == wanted, 1))
		return (uint32_t)(rest & CALLSITE_ID);
	return callsite_find(call);
}

#endif
