/* The processes that are followed: which they are, their threads, the files that they have mapped,
 * and when their traces begin and end. */
#ifndef RECORDER_TRACEES_H
#define RECORDER_TRACEES_H

#include "tids.h"
#include "tracer.h"

#include "recorder/recording.h"

struct tracees {
	/* Set by the caller. */
	uint32_t mode; /* enum session_mode */
	struct recording *recording;
	uint64_t start_ns; /* CLOCK_MONOTONIC of clock 0 */

	uint64_t clock; /* of what is told: nanoseconds */
	struct tracer *tracer;
	struct codefiles files;
	struct stacks stacks;
	struct tracee **all;
	size_t count, room;
	struct tids tids;
	_Atomic bool stop; /* no more can be recorded, or somebody wants no more */
	uint32_t unfound;  /* processes that ended and had no allocator that could be found */
	bool probe_failed;
};

/* Clock now: nanoseconds since start_ns. */
uint64_t tracees_now(const struct tracees *all);

/* NULL: there is none. */
struct tracee *tracees_find(const struct tracees *all, uint32_t pid);

/* One more process: a new one, or the fork of another. NULL: no memory. */
struct tracee *tracees_make(struct tracees *all, pid_t pid);
struct tracee *tracees_fork(struct tracees *all, const struct tracee *parent, pid_t pid);

/*
 * Looks at the file that a process has mapped with rights to execute, at [first, last) from an
 * offset in the file on, and puts probes into its allocator. NULL: there is no such file.
 */
struct codefile *tracees_map(struct tracees *all, struct tracee *t, uint64_t first, uint64_t last,
			     uint64_t offset);

/* Does so for all that it has mapped. Returns 0 or a negative errno. */
int tracees_map_all(struct tracees *all, struct tracee *t);

/* The trace's first call. False: it cannot be written, and stop is set. */
bool tracees_begin(struct tracees *all, struct tracee *t);

/* Calls of a process were dropped. thread: NULL for one that is not known. */
void tracees_lost(struct tracees *all, struct tracee *t, struct tracee_thread *thread,
		  uint64_t count);

/* The process is gone, has become another image (replaced), or is let go (end says so). Returns
 * whether it leaves a trace. */
bool tracees_end(struct tracees *all, struct tracee *t, bool replaced, const char *end);

/* Ends those that are gone unseen: no room in the ring for their end, or it came before all else.
 */
void tracees_look_after(struct tracees *all);

/* Lets readers of the traces see all that was told. */
void tracees_flush(struct tracees *all);

/* Whether a trace has reached its greatest size. */
bool tracees_full(const struct tracees *all);

void tracees_fini(struct tracees *all);

#endif
