/* What a trace says of its process and machine. */
#ifndef RECORDER_FACTS_H
#define RECORDER_FACTS_H

#include "traces/trace.h"

#include <sys/types.h>

/* What differs from trace to trace. */
struct facts {
	const char *backend; /* "preload", "ebpf" */
	const char *program; /* path of the executable */
	const char *command; /* quoted for a shell */
	pid_t pid, parent_pid;
	uint32_t mode;   /* enum session_mode */
	uint64_t age_ns; /* since the trace's start */
};

/* The facts that are known at the start. */
void facts_add(struct trace_writer *writer, const struct facts *facts);

#endif
