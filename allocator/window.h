/*
 * The window: the one range of addresses that holds every block, and its map of one word per
 * granule, which tells the owner and the class of any address.
 *
 *   word of the map:  | pool: 1 bit | owner: 23 bits | class: 8 bits |     0: nothing of ours here
 *
 * The owner stands there only where it matters who frees a block: blocks of about a cache line and
 * less (below CLASS_SHARED), and those of pools. The others' is 0, and their slab knows it.
 *
 * The map is indexed by the address modulo the window, so the fast path needs no range test: NULL
 * meets word 0, which stays 0, and slow paths test the range. Addresses are given out in slots of
 * 4 MiB from the lowest; a slot is a segment of granules or part of a Whale.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "class.h"

#define SLOT_SHIFT 22
#define SLOT       ((size_t)1 << SLOT_SHIFT)

#define WINDOW_CLASS_BITS 8 /* below the owner */
#define WINDOW_CLASS_MASK 255u
/* Part of the tag of heaps that are pools, and of kept Whales. */
#define WINDOW_POOL ((uint32_t)1 << 31)

/* Apart from the rest, as the fast path of free reads them: one instruction each. */
extern HIDDEN _Atomic uint32_t *window_map;
extern HIDDEN uint64_t window_mask; /* granules in the window, less one */

/* What the record of a slot's owner begins with; constant. */
struct owner {
	uint8_t shard; /* of a segment; of a Whale WINDOW_NO_SHARD */
};

#define WINDOW_NO_SHARD UINT8_MAX

struct window {
	uintptr_t base;
	size_t slots;
	void **owners; /* of each slot: its struct segment or struct whale */
};

extern HIDDEN struct window window;

/* Acquire and release are each other's partners: who looks at a slot that is not its own sees the
 * record as it was made. */
static inline struct owner *window_record(size_t slot)
{
	return __atomic_load_n((struct owner **)&window.owners[slot], __ATOMIC_ACQUIRE);
}

static inline void window_own(size_t slot, struct owner *record)
{
	__atomic_store_n((struct owner **)&window.owners[slot], record, __ATOMIC_RELEASE);
}

/* Once, before anything else. False when the system has no memory. */
bool window_init(void);

static inline _Atomic uint32_t *window_word(const void *ptr)
{
	return &window_map[((uintptr_t)ptr >> GRANULE_SHIFT) & window_mask];
}

static inline uint32_t window_get(const void *ptr)
{
	return atomic_load_explicit(window_word(ptr), memory_order_relaxed);
}

/*
 * Relaxed: a word that concerns a living block is only changed by the block's owner or by a thread
 * that took over the owner's heap under a lock, and every other thread finds it foreign before and
 * after.
 */
static inline void window_set(const void *ptr, uint32_t word)
{
	atomic_store_explicit(window_word(ptr), word, memory_order_relaxed);
}

/* Takes a word away; false: another thread already did. */
static inline bool window_clear(const void *ptr, uint32_t word)
{
	return atomic_compare_exchange_strong_explicit(window_word(ptr), &word, 0,
						       memory_order_relaxed, memory_order_relaxed);
}

/* The owner's number in a word or tag. */
static inline uint32_t window_owner(uint32_t word)
{
	return (word & ~WINDOW_POOL) >> WINDOW_CLASS_BITS;
}

static inline bool window_holds(const void *ptr)
{
	return (uintptr_t)ptr - window.base < window.slots << SLOT_SHIFT;
}

static inline size_t window_slot(const void *ptr)
{
	return ((uintptr_t)ptr - window.base) >> SLOT_SHIFT;
}

/* Slots for `bytes` mapped at a multiple of align (a power of two, at least SLOT); zeroed. NULL: no
 * memory. */
void *window_take(size_t bytes, size_t align);

/* Addresses alone, nothing mapped. */
void *window_reserve(size_t bytes, size_t align);

/* Gives the addresses back; what is mapped there has been unmapped by the caller. */
void window_release(void *ptr, size_t bytes);

/* Counts bytes mapped (or unmapped, negative) in the window. */
void window_count(int64_t bytes);

void window_fork_prepare(void);
void window_fork_done(void);

#endif
