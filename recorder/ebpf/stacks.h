/*
 * Full stacks of frequent sites: asks the kernel part for copies of them, within what they may cost
 * the program, and walks the copies.
 */
#ifndef RECORDER_STACKS_H
#define RECORDER_STACKS_H

#include "ring.h"

#include "recorder/unwinder.h"

#include <stddef.h>
#include <stdint.h>

struct stacks {
	uint32_t *wanted; /* the kernel part's bits, see RING_WANTED() */
	uint64_t spent_ns;
	struct unwinder *unwinder;
	struct note_stack *copy; /* the one that is walked */
};

/* Returns 0 or -ENOMEM. */
int stacks_init(struct stacks *s, uint32_t *wanted);
void stacks_fini(struct stacks *s);

/*
 * Asks for the stack of the next call from a place, unless the copies so far took the program too
 * much of its time. height: as RING_WANTED() has it; clock: nanoseconds since the recording began;
 * first: of this place, for which half the time is kept.
 */
void stacks_want(struct stacks *s, uint64_t caller, uint32_t height, uint64_t clock, bool first);

/*
 * Walks a copy of bytes bytes, message and all. Returns how many return addresses were found,
 * innermost first; 0 when the message is cut short.
 */
size_t stacks_walk(struct stacks *s, const struct ring_stack *m, size_t bytes,
		   const struct unwinder_space *space, uint64_t *addrs, size_t room);

#endif
