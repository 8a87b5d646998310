/*
 * The eBPF backend: follows one program, started for it or already running, and its children, and
 * writes their traces.
 */
#ifndef RECORDER_FOLLOW_H
#define RECORDER_FOLLOW_H

#include "messages.h"

struct follow {
	/* Set by the caller, as is what messages.tracees asks for. */
	uint64_t ring_bytes; /* a power of two */
	bool lossless;

	struct messages messages;
	char error[256]; /* why it could not begin */
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
