/* What each site of a trace allocated, and what of it was still in use at the trace's end. */
#ifndef TRACE_USAGE_H
#define TRACE_USAGE_H

#include "exporter.h"

/* Objects born by calls and inherited ones, and their requested bytes. */
struct usage {
	uint64_t alloc_objects;
	uint64_t alloc_bytes; /* without the inherited ones, as the line above */
	uint64_t inuse_objects;
	uint64_t inuse_bytes;
};

/*
 * *usage becomes an array, to be freed, with an element for each site and, last, one for the
 * unknown site; also after errors, which are those of exporter_rows().
 */
int usage_read(struct usage **usage, struct exporter_job *job);

#endif
