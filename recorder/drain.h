/*
 * What hakrec does all the time: meets processes, takes what they published, lets them end, and
 * sleeps when there is nothing to do.
 */
#ifndef RECORDER_DRAIN_H
#define RECORDER_DRAIN_H

#include "deadman.h"
#include "family.h"
#include "idler.h"

struct drain {
	struct family *family;
	uint64_t tick;          /* the last one set: all below it is published, or soon; */
	uint64_t drained;       /* ... when records were last taken */
	uint64_t skimmed;       /* ... by the idler, all of them */
	uint64_t checked;       /* ... when processes were last looked after */
	uint64_t published;     /* records, of all processes, when they were last looked at */
	uint64_t waiting;       /* those of them not dealt with */
	uint64_t taken;         /* in this round */
	bool wanted;            /* something waits for that: a thread, a child, a process */
	uint64_t changed;       /* tick of the last look that saw more */
	size_t lanes;           /* of all processes */
	bool hard;              /* the idler left to the drain what takes long */
	size_t turn;            /* whose the idler's turn is */
	struct idler idler;     /* takes records while a processor has nothing else to do */
	struct deadman deadman; /* calls the drain for the idler, or without it */
};

/* Until every process is gone. d must stay, for the idler. */
void drain_run(struct drain *d);

#endif
