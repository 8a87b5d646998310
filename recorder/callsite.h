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
 * One site. A pair of address and height is known by its fingerprint: 64 bits, of which two sites
 * of one process will not share all. While the sights of a site are counted its fingerprint stands
 * there inverted, so that the fast path passes it by.
 */
struct callsite {
	_Atomic uint64_t print; /* written last: whoever sees it sees the rest; 0: an empty place */
	uint32_t number;
	_Atomic uint32_t sights;
};

struct callsite_table {
	uint64_t mask; /* of an entry's offset; entries are aligned to their size */
	uint64_t used;
	struct callsite entries[];
};

extern struct callsite_table *_Atomic callsite_table __attribute__((visibility("hidden")));
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

static inline uint64_t callsite_print(uint64_t addr, uint64_t height)
{
	return addr + height * 0xd1342543de82ef95u;
}

static inline struct callsite *callsite_place(struct callsite_table *table, uint64_t print)
{
	return (struct callsite *)((char *)table->entries + (print & table->mask));
}

/*
 * The site of a hook's caller, when it is at its first place in the table and walked: the fast
 * path. Negative: callsite_find() is to be asked; it never is where no sites are wanted.
 */
static inline int64_t callsite_known(uintptr_t begin, const uintptr_t *base)
{
	uintptr_t height = begin - (uintptr_t)(base + 2);
	struct callsite_table *table;
	struct callsite *site;
	uint64_t print;

	if (__builtin_expect(height > UINT32_MAX, 0))
		height = 0;
	print = callsite_print(base[1], height);
	/* Relaxed: the table's contents depend on its address. */
	table = atomic_load_explicit(&callsite_table, memory_order_relaxed);
	site = callsite_place(table, print);
	if (__builtin_expect(atomic_load_explicit(&site->print, memory_order_acquire) != print, 0))
		return callsite_else;
	return site->number;
}

#endif
