/*
 * What a trace says about each of its sites that a rule of the allocator's could use (RULES.md of
 * allocator/): large blocks that could be the site's last one again, growth by realloc, blocks that
 * another thread frees.
 */
#ifndef TRACE_ADVICE_H
#define TRACE_ADVICE_H

#include "exporter.h"

/* A block above so many bytes is large. */
#define ADVICE_LARGE 32768

/* A line of blocks is one block and what reallocs made of it. */
struct advice {
	uint64_t large_live, large_peak; /* large blocks of the site, now and at most at once */
	uint64_t large_reuses;           /* of them made while fewer lived than once did */
	uint64_t large_reused_bytes;
	uint64_t lines;         /* that passed here: made here, or grown by a realloc here */
	uint64_t growths;       /* reallocs to more bytes in their lines, from here on */
	uint64_t copied_bytes;  /* what these reallocs copy where each moves the block */
	uint64_t reached_most;  /* bytes of the largest block of such a line */
	uint64_t reached[64];   /* lines by the size that they reached: bits of it, less one */
	uint64_t small_frees;   /* of the other blocks of the site */
	uint64_t small_remotes; /* of them by another thread than allocated it */
};

/* *advice becomes an array, to be freed, with an element for each site; also after errors, which
 * are those of exporter_rows(). */
int advice_read(struct advice **advice, struct exporter_job *job);

/* Bytes of room that would spare most lines of the site their growth; 0: it is not worth it. */
uint64_t advice_room(const struct advice *advice);

#endif
