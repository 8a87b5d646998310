/* Random legal rows of a trace, the same for the same seed. */
#ifndef ROWGEN_H
#define ROWGEN_H

#include "traces/trace.h"

struct rowgen {
	uint64_t state;   /* of the random numbers */
	uint64_t objects; /* born so far */
	uint64_t now_ns;
	uint32_t threads;
	uint32_t sites;
	uint32_t marks;
	uint32_t thread;
	bool addresses;
	bool extremes; /* sizes, times and alignments up to the largest */
	uint64_t live[4096];
	size_t n_live;
};

uint64_t rowgen_random(struct rowgen *g);
struct trace_event rowgen_next(struct rowgen *g);

/* Defines modules, g->threads threads, g->sites sites and g->marks marks; asserts on failure. */
void rowgen_define(const struct rowgen *g, struct trace_writer *w);

#endif
