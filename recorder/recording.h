/* The traces of one recording: where each goes and how it came out, whatever its calls come from.
 */
#ifndef RECORDER_RECORDING_H
#define RECORDER_RECORDING_H

#include "ledger.h"
#include "outputs.h"
#include "ticker.h"

/* How one trace came out. */
struct recording_trace {
	char *path;
	char *message; /* why it ends before the program did; NULL: it is whole */
	uint32_t threads;
	uint64_t bytes;
	struct ledger_counts counts;
};

struct recording {
	uint64_t max_bytes; /* of one trace, 0: any */
	struct ticker ticker;
	struct outputs outputs;
	struct recording_trace *traces; /* that have ended */
	size_t count;
	struct trace_writer *first_writer; /* of FILE, until the first process comes */
	char *message;                     /* why recording failed; NULL: it did not */
};

/* Makes the first process's trace. Returns 0 or a negative errno, with message set. */
int recording_open(struct recording *r, const char *file, const char *program, pid_t pid);

/*
 * A writer for the trace of a process; *path is the trace's, the caller's to free. NULL: it cannot
 * be made, message is set.
 */
struct trace_writer *recording_begin(struct recording *r, bool first, const char *program,
				     pid_t pid, char **path);

/* Another image of the process follows: its trace, which has ended, moves to a name of its own. */
void recording_move(struct recording *r, char **path, const char *program, pid_t pid,
		    uint32_t image);

/* A trace has ended. message NULL: it is whole. */
void recording_add(struct recording *r, const char *path, const char *message, uint32_t threads,
		   const struct ledger_counts *counts);

/* What the traces that have ended come to, to which those in the making are added. */
struct ticker_figures recording_figures(const struct recording *r);

/* Why recording failed; the first reason is kept. */
void recording_fail(struct recording *r, const char *message);

/* When the first process never came its trace is none: takes it away. */
void recording_close(struct recording *r);
void recording_fini(struct recording *r);

#endif
