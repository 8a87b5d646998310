/*
 * What hakrec is told of this process's forks. A fork is announced before: at the place in the
 * order where its record stands the child gets what its parent has, and a number for the time when
 * it calls, which may be never.
 */
#ifndef RECORDER_FORK_H
#define RECORDER_FORK_H

#include "pen.h"

#include <sys/types.h>

/* What a forked child has from the announcement. */
struct fork_child {
	uint32_t number; /* of its process, SESSION_NONE: it has none so far */
	uint32_t sites;  /* callsite_told() then */
};

/* This thread is about to fork. p: what it writes with; NULL: unrecorded. */
void fork_announce(struct pen *p);

/* This process is the child. */
void fork_arrive(void);

/* What the child has, which is asked once. */
struct fork_child fork_take(void);

/* The fork is over; when it failed no process came of it. */
void fork_forget(pid_t pid);

/* Forks by a function that may announce it on its way. */
pid_t fork_by(pid_t (*real_fork)(void));

#endif
