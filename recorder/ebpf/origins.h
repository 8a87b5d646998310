/* Where the calls of one process came from: (return address, stack height) -> site of its trace. */
#ifndef RECORDER_ORIGINS_H
#define RECORDER_ORIGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct origin {
	uint64_t addr; /* 0: an empty place */
	uint32_t height;
	uint32_t site;     /* of the trace, TRACE_NO_SITE: not defined yet */
	uint32_t patience; /* calls until its stack is asked for */
	uint8_t called;    /* what entrances_called() says of it */
	bool asked;        /* it was asked */
	uint8_t samples;   /* of its stack, as far as they matter */
};

#define ORIGIN_PATIENCE 16

struct origins {
	struct origin *places; /* open addressing, linear probing; a power of two of them */
	size_t mask, count;
	unsigned shift;
};

/* Returns 0 or -ENOMEM. */
int origins_init(struct origins *c);
void origins_fini(struct origins *c);

/* The caller's place, a new one when it was not seen before (addr not 0). NULL: no memory. */
struct origin *origins_place(struct origins *c, uint64_t addr, uint32_t height);

/* Code in this range is another one now: its callers are forgotten. Returns 0 or -ENOMEM. */
int origins_forget(struct origins *c, uint64_t begin, uint64_t end);

#endif
