/* What learning may change in the pools while they run. Any thread reads; each value is good by
 * itself. */
#ifndef TUNE_H
#define TUNE_H

#include <stddef.h>
#include <stdint.h>

#include "class.h"

struct tune {
	uint32_t refill_shift; /* a refill takes the room of a stack, halved so many times */
	uint32_t cached_shift; /* a stack's most room is the class's, doubled so many times */
	uint32_t decay_ticks;  /* ticks of a heap to a step of the shards' decay */
	size_t whale_bytes;    /* of Whales kept, whatever is in use, at least */
};

/* Allocations of a thread between two steps of learning. */
#define TUNE_STEP 4096

/* What holds without learning. */
#define TUNE_STANDARD                                                                              \
	{                                                                                          \
		.refill_shift = 1, .cached_shift = 0, .decay_ticks = 16,                           \
		.whale_bytes = (size_t)8 << 20                                                     \
	}

extern HIDDEN struct tune tune;

#endif
