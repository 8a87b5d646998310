/* Writes results as JSON lines: one object for each allocator and repeat. */
#ifndef REPLAYER_JSONLINES_H
#define REPLAYER_JSONLINES_H

#include "contest.h"
#include "machine.h"

#include <stdio.h>

struct jsonlines {
	FILE *file; /* NULL: results are not kept */
	const char *path;
	struct machine machine;
};

/* Opens the file for appending; path NULL: none. 0 or a negative errno. */
int jsonlines_open(struct jsonlines *lines, const char *path);
int jsonlines_close(struct jsonlines *lines);

/* For contest_hold(): context is the lines. */
int jsonlines_keep(const struct contest_run *run, void *context);

#endif
