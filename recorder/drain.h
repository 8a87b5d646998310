/*
 * What hakrec does all the time: meets processes, takes what they published, lets them end, and
 * sleeps when there is nothing to do.
 */
#ifndef RECORDER_DRAIN_H
#define RECORDER_DRAIN_H

#include "idler.h"
#include "process.h"
#include "recording.h"

struct drain {
	struct session *session;
	struct recording *recording;
	pid_t first; /* the process that hakrec started */
	void (*add_facts)(struct trace_writer *writer,
			  const struct process *p); /* for new traces */
	_Atomic bool first_ended; /* set from outside: no more than what is left */
	_Atomic bool last_ended;  /* and no process is left at all */
	int first_status;         /* as waitpid() tells, set before first_ended */
	const char *stop;         /* why recording ends before the programs do, NULL: it does not */
	uint64_t tick;            /* the last one set: all below it is published, or soon; */
	uint64_t drained;         /* ... when records were last taken */
	uint64_t checked;         /* ... when processes were last looked after */
	uint64_t published;       /* records, of all processes, when they were last looked at */
	uint64_t waiting;         /* those of them not dealt with */
	bool wanted;              /* something waits for that: a thread, a child, a process */
	unsigned idle;            /* looks since that saw no more */
	size_t lanes;             /* of all processes */
	bool hard;                /* the idler left to the drain what takes long */
	size_t turn;              /* whose the idler's turn is */
	struct idler idler;       /* takes records while a processor has nothing else to do */
	struct process **processes;
	size_t count, room;
	struct unwinder *unwinder;
	struct legacy *legacies;
	uint32_t *strangers; /* arrivals whose fork record is not read yet */
	size_t n_strangers;
};

/* Until every process is gone. */
void drain_run(struct drain *d);
void drain_fini(struct drain *d);

#endif
