/* The first frame's fixed part and the last frame: what opens and what ends a trace. */
#ifndef HEADER_H
#define HEADER_H

#include "bytes.h"
#include "trace.h"

#define HEADER_BYTES 24

/* Features that a reader must know to read the file rightly: none yet. */
#define HEADER_FEATURES 0u

void header_write(struct bytes *content);

/*
 * Reads it from the first HEADER_BYTES of the first frame's content. Returns 0; -EBADMSG: not a
 * trace; -EPROTONOSUPPORT: made for a newer reader. *version and *oldest are set unless -EBADMSG.
 */
int header_read(const uint8_t *content, size_t size, uint32_t *version, uint32_t *oldest);

/* Counts that a whole trace must agree with. */
struct header_counts {
	uint64_t rows;
	uint64_t objects;
};

void header_write_last(struct bytes *content, const struct header_counts *counts,
		       const struct trace_totals *totals);
bool header_read_last(struct window *w, struct header_counts *counts, struct trace_totals *totals);

#endif
