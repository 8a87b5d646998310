/*
 * The eBPF backend: follows one program, started for it or already running, and its children, and
 * writes their traces.
 */
#ifndef RECORDER_FOLLOW_H
#define RECORDER_FOLLOW_H

#include "tids.h"
#include "tracer.h"

#include "recorder/recording.h"

struct follow {
	/* Set by the caller. */
	uint32_t mode;       /* enum session_mode */
	uint64_t ring_bytes; /* a power of two */
	bool lossless;
	struct recording *recording;

	_Atomic bool stop; /* set from outside: end all traces now */
	uint32_t unfound;  /* processes that ended and had no allocator that could be found */
	char error[256];   /* why it could not begin or go on */

	struct tracer *tracer;
	struct codefiles files;
	struct stacks stacks;
	struct tracee **tracees;
	size_t count, room;
	struct tids tids;
	uint64_t start_ns, clock; /* CLOCK_MONOTONIC; ns since */
	uint64_t strays;          /* calls of threads that are not known */
	bool probe_failed;
	bool full;      /* a trace has reached its size */
	uint32_t taken; /* calls, for the pace */
};

/*
 * Loads the programs into the kernel; meanwhile reads the files that a running process (0: none)
 * has mapped. Returns 0 or a negative errno; error says why.
 */
int follow_open(struct follow *f, pid_t pid);

/* A child of this process that will become the program. */
int follow_start(struct follow *f, pid_t pid);

/* A running process. */
int follow_attach(struct follow *f, pid_t pid);

/* Until every process is gone, or stop is set. */
void follow_run(struct follow *f);

/* Takes everything out of the kernel. */
void follow_close(struct follow *f);

#endif
