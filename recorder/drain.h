/*
 * What hakrec does all the time: meets processes, takes what they published, lets them end, and
 * sleeps when there is nothing to do.
 */
#ifndef RECORDER_DRAIN_H
#define RECORDER_DRAIN_H

#include "outputs.h"
#include "process.h"

/* How one trace came out. */
struct drain_result {
	char *path;
	char *message; /* why it ends before the program did; NULL: it is whole */
	uint32_t threads;
	uint64_t bytes;
	struct ledger_counts counts;
};

struct drain {
	struct session *session;
	struct outputs outputs;
	pid_t first;        /* the process that hakrec started */
	uint64_t max_bytes; /* of one trace, 0: any */
	void (*add_facts)(struct trace_writer *writer,
			  const struct process *p); /* for new traces */
	_Atomic bool first_ended; /* set from outside: no more than what is left */
	_Atomic bool stop;        /* set from outside: end all traces now */
	uint64_t tick;            /* the last one set: all below it is published, or soon */
	uint64_t checked;         /* clock at which processes were last looked after */
	struct process **processes;
	size_t count, room;
	struct unwinder *unwinder;
	struct legacy *legacies;
	uint32_t *strangers; /* arrivals whose fork record is not read yet */
	size_t n_strangers;
	struct drain_result *results;
	size_t n_results;
	struct trace_writer *first_writer; /* of FILE, until the first process arrives */
	char *message;                     /* why recording failed; NULL: it did not */
};

/* Makes the first process's trace. Returns 0 or a negative errno, with message set. */
int drain_open(struct drain *d, const char *file, const char *program);

/* Until every process is gone. */
void drain_run(struct drain *d);
void drain_fini(struct drain *d);

#endif
