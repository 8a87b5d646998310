/* The threads of one process: what its numbers mean and how each begins and ends in the trace. */
#ifndef RECORDER_CREW_H
#define RECORDER_CREW_H

#include "ledger.h"

#include <sys/types.h>

struct crew_thread {
	uint64_t tid;
	uint64_t exit_clock;
	uint64_t exit_round; /* the round in which it was seen dead, 0: not yet */
	uint32_t number;     /* in the trace */
	bool begun, exiting, exited;
	bool looked; /* its name was looked up once more after its start */
	char name[16];
	uint64_t start_ns;
};

struct crew {
	struct crew_thread *all;
	uint32_t count, room;
	uint32_t exiting; /* threads between their exit record and their exit row */
	uint32_t unnamed; /* running threads whose names crew_name() has not looked up */
	uint64_t late;    /* threads seen again after their exit record */
};

void crew_fini(struct crew *c);

/*
 * A lane says that thread index writes from now on. Defines the thread in the trace the first time
 * and returns 1 (its start row is the caller's to write), else 0, or a negative errno.
 */
int crew_begin(struct crew *c, struct ledger *l, pid_t pid, uint32_t index, uint64_t tid,
	       uint64_t clock);

/*
 * The exit record of a thread. Its exit row is written at once when the thread is dead and has
 * made no call since (late: the process's count of such), else by crew_settle().
 */
void crew_exit(struct crew *c, struct ledger *l, pid_t pid, uint32_t index, uint64_t clock,
	       uint64_t late, uint64_t round);

/* At the end of a round: exits of threads that were seen dead a round before. */
void crew_settle(struct crew *c, struct ledger *l, pid_t pid, uint64_t round);

/* Exit rows for all that exit, without asking: the process is gone. */
void crew_end(struct crew *c, struct ledger *l);

/* Looks names up that a thread gave itself after its start. */
void crew_name(struct crew *c, struct ledger *l, pid_t pid);

#endif
