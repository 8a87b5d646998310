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

/* Where a thread's stack heights are measured from. */
struct callsite_view {
	uintptr_t begin;         /* of its stack; 0: heights are not wanted, or not known */
	uint64_t factor, offset; /* what callsite_cue() makes of it */
};

/*
 * The sites that the fast path knows: those of the table (callsite.c) that were asked for last, two
 * to a set. A call is known by its cue, 64 bits, of which two sites of one process will not share
 * all; a word is a cue with the site's number XORed in, so that it tells the upper 40 bits of it,
 * and its place tells of the others. 0: an empty place.
 */
struct callsite_cache {
	_Atomic uint64_t lost;      /* words that others took the place of */
	_Alignas(64) uint64_t mask; /* of a place: so many words there are, less one */
	_Alignas(64) _Atomic uint64_t words[];
};

/* The words of the cache that is asked. */
extern _Atomic uint64_t *_Atomic callsite_words __attribute__((visibility("hidden")));
extern bool callsite_unwanted __attribute__((visibility("hidden"))); /* all sites are 0 */

/* Readies the table for sites of the session's mode. False: no memory. */
bool callsite_open(const struct session *s);

/* Gives new numbers from now on: addresses may mean something else. Notepad locked. */
void callsite_forget(void);

/* Numbers given so far, all of them told. */
uint32_t callsite_told(void);

/* In a forked child, before its first call. told: when the fork was announced: what hakrec knows
 * the child has from its parent. */
void callsite_inherit(uint32_t told);

struct callsite_view callsite_look_from(uintptr_t begin);

/* The site of a hook's caller, whatever it takes. frame: the hook's canonical frame address, right
 * below which lies the return address; pointer: what the caller has as frame pointer. */
uint32_t callsite_find(const struct callsite_view *view, const uintptr_t *frame, uintptr_t pointer);

/*
 * Return address and frame mixed: frames of one height have one cue. Multiplied by the golden
 * ratio, as far as it fits into an instruction, no two addresses of one height that are less than
 * 2^39 apart come so close that the bits which a word and its place do not tell could be all that
 * differs.
 */
static inline uint64_t callsite_cue(const struct callsite_view *view, uintptr_t addr,
				    uintptr_t frame)
{
	return (frame * view->factor + view->offset + addr) * (uint64_t)-0x61c88647;
}

/* Not on the thread's stack: such frames have no height, and a cue without one. */
static inline bool callsite_outside(const struct callsite_view *view, uintptr_t frame)
{
	return view->begin - frame > UINT32_MAX;
}

static inline uint64_t callsite_outside_cue(uintptr_t addr)
{
	return callsite_cue(&(struct callsite_view){0}, addr, 0);
}

static inline _Atomic uint64_t *callsite_place(_Atomic uint64_t *words, uint64_t cue)
{
	const struct callsite_cache *cache =
		(const void *)((char *)words - offsetof(struct callsite_cache, words));

	return words + (cue & cache->mask);
}

/* What is left of the right word is its number, CALLSITE_MAX at most. */
static inline uint64_t callsite_number(_Atomic uint64_t *words, uint64_t cue, unsigned place)
{
	return atomic_load_explicit(callsite_place(words, cue ^ place), memory_order_relaxed) ^ cue;
}

/* The number of the site of that return address and canonical frame address, when it is in its
 * first place in the cache; else above CALLSITE_MAX. */
static inline uint64_t callsite_first(const struct callsite_view *view, uintptr_t addr,
				      uintptr_t frame)
{
	/* Relaxed: the cache's contents depend on its address, and each word stands for itself. */
	return callsite_number(atomic_load_explicit(&callsite_words, memory_order_relaxed),
			       callsite_cue(view, addr, frame), 0);
}

/* The same where it is not, of frames outside the stack as well. Negative: callsite_find() is to be
 * asked; it never is where no sites are wanted. */
static inline int64_t callsite_elsewhere(const struct callsite_view *view, uintptr_t addr,
					 uintptr_t frame)
{
	_Atomic uint64_t *words = atomic_load_explicit(&callsite_words, memory_order_relaxed);
	uint64_t cue, number;

	if (callsite_unwanted)
		return 0;
	cue = callsite_outside(view, frame) ? callsite_outside_cue(addr)
					    : callsite_cue(view, addr, frame);
	number = callsite_number(words, cue, 0);
	if (number > CALLSITE_MAX)
		number = callsite_number(words, cue, 1);
	return number <= CALLSITE_MAX ? (int64_t)number : -1;
}

/* The same wherever it may be. */
static inline int64_t callsite_known(const struct callsite_view *view, uintptr_t addr,
				     uintptr_t frame)
{
	uint64_t number = callsite_first(view, addr, frame);

	return __builtin_expect(number <= CALLSITE_MAX, 1) ? (int64_t)number
							   : callsite_elsewhere(view, addr, frame);
}

#endif
