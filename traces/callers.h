/* Makes sites of a trace from the callers that a log names: a file and an address in it. */
#ifndef TRACE_CALLERS_H
#define TRACE_CALLERS_H

#include "trace.h"

struct callers_file;

/* Zeroed: none yet. */
struct callers {
	struct callers_file *files;
	size_t n_files;
};

void callers_fini(struct callers *c);

/*
 * The site's number; it and its module are defined when they are new. file NULL: addr is in no
 * known file. Returns a negative errno when that fails.
 */
int64_t callers_site(struct callers *c, struct trace_writer *writer, const char *file,
		     uint64_t addr);

#endif
