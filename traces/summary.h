/* The figures of a trace, counted by reading all of it. */
#ifndef TRACE_SUMMARY_H
#define TRACE_SUMMARY_H

#include "trace.h"

struct summary {
	uint64_t blocks;
	uint64_t events; /* calls: allocs + frees + reallocs */
	uint64_t allocs;
	uint64_t frees;
	uint64_t reallocs;
	uint64_t failed_allocs; /* of allocs and reallocs */
	uint64_t remote_frees;  /* frees of what another thread allocated */
	uint64_t foreign_frees; /* frees and reallocs of what was allocated outside the trace */
	uint64_t threads;       /* that have a row */
	uint64_t sites;         /* that have a row */
	uint64_t objects;       /* allocated or inherited */
	uint64_t peak_live_bytes;
	uint64_t peak_live_objects;
	uint64_t leaked_objects; /* alive at the end */
	uint64_t leaked_bytes;
	uint64_t page_bytes;         /* of the machine that was recorded */
	uint64_t measured_objects;   /* whose resident pages are known at their death or the end */
	uint64_t measured_pages;     /* that they span */
	uint64_t touched_pages_low;  /* resident then, and not at their birth */
	uint64_t touched_pages_high; /* resident then */
	uint64_t last_ns;            /* time of the last row */
	uint64_t illegal; /* rows that name an object which is not alive, or born already */
};

/*
 * Returns 0, or a negative errno with trace_error() set; after -EBADMSG the summary tells of the
 * rows before the damage.
 */
int summary_read(struct summary *summary, struct trace *trace);

#endif
