/*
 * Gives out slots to objects as they are born, and takes them back. A slot goes from one thread to
 * another only when the skew window lies between its free and its reuse; within one thread at once.
 */
#ifndef REPLAYER_SLOTS_H
#define REPLAYER_SLOTS_H

#include <stddef.h>
#include <stdint.h>

/* Free slots in the order in which they became free. One that was taken meanwhile is stale. */
struct slots_list {
	struct slots_entry *entries;
	size_t head, tail, size;
};

struct slots {
	uint32_t used;   /* slots that exist */
	uint32_t window; /* epochs; 0: every thread may reuse at once */
	uint32_t n_threads;
	uint32_t *stamps; /* by slot: times it was taken or given; even: taken */
	size_t n_stamps;
	struct slots_list *own; /* by thread: the slots that it freed */
	struct slots_list all;  /* of all threads */
};

/* Returns 0 or -ENOMEM. */
int slots_init(struct slots *slots, uint32_t n_threads, uint32_t window);
void slots_fini(struct slots *slots);

/* A slot for an object born by that thread in that epoch; a negative errno when there is none. */
int64_t slots_take(struct slots *slots, uint32_t thread, uint32_t epoch);

/* A slot that was never used. */
int64_t slots_make(struct slots *slots);

/* The object in the slot was freed by that thread in that epoch. Returns 0 or -ENOMEM. */
int slots_give(struct slots *slots, uint32_t slot, uint32_t thread, uint32_t epoch);

#endif
