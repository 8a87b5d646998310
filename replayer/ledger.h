/* Writes results as JSON lines: one object for each allocator and repeat. */
#ifndef REPLAYER_LEDGER_H
#define REPLAYER_LEDGER_H

#include "contest.h"
#include "machine.h"

#include <stdio.h>

struct ledger {
	FILE *file; /* NULL: results are not kept */
	const char *path;
	struct machine machine;
};

/* Opens the file for appending; path NULL: none. 0 or a negative errno. */
int ledger_open(struct ledger *ledger, const char *path);
int ledger_close(struct ledger *ledger);

/* For contest_hold(): context is the ledger. */
int ledger_keep(const struct contest_run *run, void *context);

#endif
