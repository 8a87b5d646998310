/* The functions under test, by kind of call: the built-in null allocator's until resolved. */
#ifndef REPLAYER_VERBS_H
#define REPLAYER_VERBS_H

#include "plan.h"

#include <stddef.h>

/*
 * Every function is called with up to three words, in the order of its shape (calls.h); words that
 * a function does not take are ignored by the calling convention.
 */
struct verb {
	void *(*call)(uintptr_t, uintptr_t, uintptr_t);
	uintptr_t extra; /* last word: calloc's and reallocarray's other factor, nothrow's tag */
};

extern struct verb verbs[PLAN_VERB + 1];

/* malloc_usable_size of the allocator under test; NULL when it has none of its own. */
extern size_t (*verbs_usable_size)(void *ptr);

/* By kind: the linker's name and the one that users read. */
extern const char *const verbs_symbols[PLAN_VERB + 1];
extern const char *const verbs_names[PLAN_VERB + 1];

/* Last word of kind's calls; functions that take none ignore it. */
uintptr_t verbs_extra(unsigned kind);

#endif
