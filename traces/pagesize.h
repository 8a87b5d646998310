/* The page size of the machine that a trace was recorded on. */
#ifndef TRACE_PAGESIZE_H
#define TRACE_PAGESIZE_H

#include "trace.h"

#include <stdlib.h>

#define PAGESIZE_USUAL 4096 /* bytes; of traces that do not tell */

static inline uint64_t pagesize_bytes(const struct trace *trace)
{
	const char *fact = trace_fact(trace, "page_bytes");
	uint64_t bytes = fact ? strtoull(fact, NULL, 10) : 0;

	return bytes ? bytes : PAGESIZE_USUAL;
}

#endif
