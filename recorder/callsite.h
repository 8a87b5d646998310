/*
 * The sites of this process: a number for each pair of return address and stack height, given when
 * the pair is first seen and told to hakrec in a note. The stack of a site that is seen often is
 * copied into a note as well, and now and then again.
 */
#ifndef RECORDER_CALLSITE_H
#define RECORDER_CALLSITE_H

#include "record.h"
#include "traces/sitekey.h"

#define CALLSITE_MAX RECORD_SITE_MAX /* numbers; 0: not known */

/*
 * The sites that the fast path knows: those of the table (callsite.c) that were asked for last, two
 * to a set. A pair of address and height is known by its print, 64 bits, of which two sites of one
 * process will not share all; a word is a print with the site's number XORed in, so that it tells
 * the upper 40 bits of it, and its place tells of the others. 0: an empty place.
 */
struct callsite_cache {
	_Alignas(64) uint64_t mask; /* of a place: so many words there are, less one */
	_Alignas(64) _Atomic uint64_t words[];
};

extern struct callsite_cache *_Atomic callsite_cache __attribute__((visibility("hidden")));
extern int64_t callsite_else __attribute__((visibility("hidden"))); /* of one not known */

/* Readies the table for sites of the session's mode. False: no memory. */
bool callsite_open(const struct session *s);

/* Gives new numbers from now on: addresses may mean something else. Notepad locked. */
void callsite_forget(void);

/*
 * The site of a hook's caller, whatever it takes. begin: of the thread's stack, 0 when heights are
 * not wanted. base: the hook's frame pointer, where the caller's lies, then the return address, and
 * right above it the canonical frame address.
 */
uint32_t callsite_find(uintptr_t begin, const uintptr_t *base);

/* Multiplied by the golden ratio, no two addresses of one height that are less than 2^38 apart come
 * so close that the bits which a word and its place do not tell could be all that differs. */
static inline uint64_t callsite_print(uint64_t addr, uint64_t height)
{
	return (addr + height * 0xd1342543de82ef95u) * 0x9e3779b97f4a7c15u;
}

static inline _Atomic uint64_t *callsite_place(struct callsite_cache *cache, uint64_t print)
{
	return cache->words + (print & cache->mask);
}

/*
 * The site of a hook's caller, when it is in the cache: the fast path. Negative: callsite_find() is
 * to be asked; it never is where no sites are wanted.
 */
static inline int64_t callsite_known(uintptr_t begin, const uintptr_t *base)
{
	uintptr_t height = begin - (uintptr_t)(base + 2);
	struct callsite_cache *cache;
	uint64_t print, number;

	if (__builtin_expect(height > UINT32_MAX, 0))
		height = 0;
	print = callsite_print(base[1], height);
	/* Relaxed: the cache's contents depend on its address, and each word stands for itself. */
	cache = atomic_load_explicit(&callsite_cache, memory_order_relaxed);
	/* What is left of the right word is its number. */
	number = print ^ atomic_load_explicit(callsite_place(cache, print), memory_order_relaxed);
	if (__builtin_expect(number > CALLSITE_MAX, 0))
		number = print ^ atomic_load_explicit(callsite_place(cache, print ^ 1),
						      memory_order_relaxed);
	return __builtin_expect(number <= CALLSITE_MAX, 1) ? (int64_t)number : callsite_else;
}

#endif
