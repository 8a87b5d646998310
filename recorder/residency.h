/*
 * The large blocks of this process: how many of their pages are resident when they are obtained,
 * given back or left at the end. A block is known from its birth to its death, so that a death
 * knows its size; a filter lets those of other blocks pass, with one look most of them.
 */
#ifndef RECORDER_RESIDENCY_H
#define RECORDER_RESIDENCY_H

#include "traces/trace.h"

#include <stdatomic.h>

#define RESIDENCY_OFFSETS 256u
#define RESIDENCY_PAGES   4096u

/* How many such blocks begin at an offset in their page, in steps of 16 bytes, and on a page.
 * Nearly all of a program's have the same few offsets: so few other blocks need a look at the
 * pages, which takes more cache lines. NULL counts as one: of
 * blocks at its offset, one page in RESIDENCY_PAGES is looked for in vain. */
struct residency_filter {
	_Alignas(64) _Atomic uint8_t offsets[RESIDENCY_OFFSETS];
	_Atomic uint8_t pages[RESIDENCY_PAGES];
};

extern struct residency_filter residency_filter __attribute__((visibility("hidden")));

/* Decides whether residency may be asked for: not where a filter of system calls is in force. */
void residency_open(void);

/* From now on the kernel may kill whoever makes a call that was not foreseen. */
void residency_confine(void);

/*
 * A block of at least TRACE_LARGE_BYTES is born. Returns its resident pages; TRACE_NONE: not known,
 * as when there are so many such blocks that asking would cost too much time.
 */
uint64_t residency_born(const void *ptr, size_t size);

/* False: no large block begins at ptr, nor is it NULL: so what frees it need not look apart. */
static inline bool residency_maybe(const void *ptr)
{
	uintptr_t addr = (uintptr_t)ptr;
	bool maybe;

	/* A relaxed load, which the compiler would not make a part of the comparison: whoever gives
	 * a block back has it from the one who entered it. */
	__asm__ volatile("cmpb $0, %1"
			 : "=@ccne"(maybe)
			 : "m"(residency_filter.offsets[(addr >> 4) % RESIDENCY_OFFSETS]));
	return __builtin_expect(maybe, 0) &&
	       atomic_load_explicit(residency_filter.pages + (addr >> 12) % RESIDENCY_PAGES,
				    memory_order_relaxed);
}

/* Forgets the block at ptr, which is there still; TRACE_NONE: none, or unknown. Sets its size, 0:
 * it was not known. */
uint64_t residency_died(const void *ptr, size_t *size);

/* The block at ptr has not died after all. */
void residency_stays(const void *ptr, size_t size);

/* The process ends: tells hakrec of the blocks that are left. */
void residency_end(void);

/* In a forked child, before its first call: another thread may have been changing what is known of
 * blocks, which is forgotten then. */
void residency_inherit(void);

#endif
