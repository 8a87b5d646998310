/* How the traces of a recording came out. */
#ifndef RECORDER_RESULTS_H
#define RECORDER_RESULTS_H

#include "ledger.h"

struct result {
	char *path;
	int error; /* a negative errno: it ends where that happened */
	uint32_t threads;
	uint64_t bytes;
	struct ledger_counts counts;
};

struct results {
	struct result *all;
	size_t count;
	int error; /* the first of any trace, also of one that never began */
};

/* A trace has ended. */
void results_add(struct results *r, const char *path, int error, uint32_t threads,
		 const struct ledger_counts *counts);
void results_fini(struct results *r);

#endif
