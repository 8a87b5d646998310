/* The C stream interface around a function that makes one record batch after the other. */
#ifndef TRACE_ARROWSTREAM_H
#define TRACE_ARROWSTREAM_H

#include "arrowdata.h"

struct arrow_stream {
	struct trace *trace;
	const struct arrow_column *columns;
	size_t n_columns;
	struct trace_cursor *cursor; /* or NULL; the release closes it */
	uint64_t rows;               /* next()'s own count of what it delivered */
	/* Returns 1 with *out filled, 0 at the end, or a negative errno. */
	int (*next)(struct arrow_stream *stream, struct ArrowArray *out);
	void *own; /* next()'s, or NULL */
	void (*close)(void *own);
	int error; /* positive, as the interface has it */
};

/* Fills *out with a copy of stream. Returns 0 or -ENOMEM (the cursor and own are closed then). */
int arrow_stream_export(struct ArrowArrayStream *out, const struct arrow_stream *stream);

#endif
