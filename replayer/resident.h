/*
 * How much of its large blocks a program touched, as nearly as a trace tells: the pages of each
 * that were resident when it was freed, moved or left at the end (see FORMAT.md), by object.
 */
#ifndef REPLAYER_RESIDENT_H
#define REPLAYER_RESIDENT_H

#include "traces/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESIDENT_PAGE 4096       /* bytes; what is counted in others is converted */
#define RESIDENT_REST UINT32_MAX /* as the end of a part: to the end of the block */

struct resident_count {
	uint64_t object;
	uint64_t pages;
};

struct resident {
	struct resident_count *counts; /* by object, once they are settled */
	size_t n, room;
};

/* Pages of a block, counted from the one that holds its first byte. */
struct resident_part {
	uint32_t from;
	uint32_t to; /* the page after the last one, or RESIDENT_REST */
};

/* Notes what a batch tells. Returns 0 or -ENOMEM. */
int resident_note(struct resident *resident, const struct trace_batch *batch);

/* The trace has been read: notes what was left at its end. Returns 0 or -ENOMEM. */
int resident_settle(struct resident *resident, const struct trace *trace);
void resident_fini(struct resident *resident);

/*
 * What the program touched of the block that a call gave, and not before as the part of the old
 * block (of old_bytes) that the call kept. False: all that is new, as far as is known.
 */
bool resident_part(const struct resident *resident, const struct trace_event *event,
		   uint64_t old_bytes, struct resident_part *part);

#endif
