/* Fills the table of verbs: each function looked up and proven to be the ordered allocator's. */
#ifndef REPLAYER_RESOLUTION_H
#define REPLAYER_RESOLUTION_H

#include "run.h"

#include <stdint.h>

/*
 * Resolves every kind of the mask (bit k: kind k). Ends the process when a function that gives out
 * blocks belongs to another library than it should; says in the outcome's notes what stands in for
 * what the allocator lacks.
 */
void resolution_make(struct run *run, uint64_t kinds);

/* The parts of hakmem, into the outcome. */
void resolution_parts(struct run *run);

/* The allocator's own counters, into the outcome. */
void resolution_counters(struct run *run);

#endif
