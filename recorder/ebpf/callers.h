/* Where the calls of one process came from: (return address, stack height) -> site of its trace. */
#ifndef RECORDER_CALLERS_H
#define RECORDER_CALLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct caller {
	uint64_t addr; /* 0: an empty place */
	uint32_t height;
	uint32_t site;  /* of the trace, TRACE_NO_SITE: not defined yet */
	uint8_t called; /* what entrances_called() says of it */
	bool asked;     /* it was asked */
};

struct callers {
	struct caller *places; /* open addressing, linear probing; a power of two of them */
	size_t mask, count;
	unsigned shift;
};

/* Returns 0 or -ENOMEM. */
int callers_init(struct callers *c);
void callers_fini(struct callers *c);

/* The caller's place, a new one when it was not seen before (addr not 0). NULL: no memory. */
struct caller *callers_place(struct callers *c, uint64_t addr, uint32_t height);

/* Code in this range is another one now: its callers are forgotten. Returns 0 or -ENOMEM. */
int callers_forget(struct callers *c, uint64_t begin, uint64_t end);

#endif
