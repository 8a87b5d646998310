/*
 * One image of one recorded process: what it tells and calls, turned into its trace.
 */
#ifndef RECORDER_PROCESS_H
#define RECORDER_PROCESS_H

#include "crew.h"
#include "legacy.h"
#include "merge.h"
#include "streak.h"

struct process {
	struct session *session;
	struct session_process *shared;
	uint32_t number; /* in the session */
	pid_t pid;
	int pidfd;        /* -1: none */
	char *path;       /* of the trace */
	bool first;       /* the process that hakrec started */
	uint32_t image;   /* how many images this process id had before */
	uint32_t lanes;   /* newest lane met */
	uint64_t round;   /* rounds ended: in each, all that was published before is dealt with */
	uint64_t settled; /* clock when threads that exit were looked for last */
	uint64_t skim_until; /* 0: all is to be dealt with */
	uint64_t skim_look;  /* records dealt with when the clock is to be looked at */
	bool hard;           /* skimming came upon what it leaves to others */
	uint64_t published;  /* records ever, as of the last look */
	uint64_t waiting;    /* those of them not dealt with then */
	uint32_t lone;       /* the lane that alone has written lately; SESSION_NONE: several */
	uint64_t lone_since; /* clock */
	uint64_t unheard;    /* calls of threads that had no lane, told in the trace */
	struct account account;
	struct merge merge;
	struct ledger ledger;
	struct objects inherited; /* alive at the fork, until their rows are written */
	struct crew crew;
	struct legacy **forks; /* where to put what children take along */
	uint64_t flushed;      /* clock at which the trace's last block was ended in time */
	bool begun;            /* its trace is open */
	bool gone;             /* it was seen to have ended */
	unsigned spoilt;       /* rounds since it was seen to have written over what it shares */
	char *message;         /* why its trace failed; NULL: it did not */
};

/* A process that presented itself; legacy (which it takes) of a forked one, else NULL. */
struct process *process_create(struct session *s, uint32_t number, struct legacy *legacy);

/* Takes over the writer and begins the trace, which can be read from now on. */
void process_begin(struct process *p, struct trace_writer *writer);

/* Shows the process's lanes the tick and counts their records. */
void process_look(struct process *p);

/* A thread has begun that was not met: its name can be read while it lives. */
bool process_wants(const struct process *p);

/* Deals with what was published, up to a rank. Of a program that has written over some of it the
 * rest is the last: then the ledger has an error, LEDGER_SPOILT, and recording must end, for there
 * will be no room that its threads could wait for. */
void process_drain(struct process *p, uint64_t rank);

/*
 * Deals with some of it, no longer than until a time (nanoseconds of the session) and the end of a
 * block of the trace; with all there is, when there is time, and then it was a round as well.
 * False: what comes next takes longer, and is left to process_drain().
 */
bool process_skim(struct process *p, uint64_t rank, uint64_t until_ns);

/* Lets a reader of the trace see all that was dealt with. */
void process_flush(struct process *p);

/* The process is gone: deals with all that is left. */
void process_settle(struct process *p);

/* Ends the trace; end: why, when the program goes on (NULL: it does not). Sets message when it
 * fails. */
void process_end(struct process *p, const char *end);

/* Frees everything and gives what is shared back; after process_end(). */
void process_destroy(struct process *p);

#endif
