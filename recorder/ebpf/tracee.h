/*
 * One image of one process as the kernel part tells of it: its calls, in the order of the ring,
 * turned into its trace. The trace begins with the first call.
 */
#ifndef RECORDER_TRACEE_H
#define RECORDER_TRACEE_H

#include "codefile.h"
#include "origins.h"
#include "ring.h"
#include "stacks.h"

#include "recorder/ledger.h"
#include "recorder/modules.h"
#include "recorder/walked.h"

struct tracee {
	pid_t pid, parent_pid;
	int pidfd;      /* -1: none */
	bool gone;      /* seen dead: one more look at the ring, then it ends */
	bool first;     /* the process that hakrec started or was told to attach to */
	bool orphan;    /* its first thread has not been told of yet */
	uint32_t image; /* how many images this process had before */
	char *program;  /* path of the executable */
	char *command;  /* arguments, separated by blanks */
	char *path;     /* of the trace, once it is begun */
	char *message;  /* why its trace failed; NULL: it did not */
	bool begun;
	bool heights; /* sites are return address and stack height */
	bool sites;
	struct codefiles *files;
	struct stacks *stacks;
	struct ledger ledger;
	struct objects inherited; /* alive at the fork, until their rows are written */
	struct modules modules;
	struct origins origins;
	struct sites
		told; /* the trace's sites by their numbers plus one, for samples of their stacks */
	uint32_t threads;   /* in the trace */
	uint32_t functions; /* of an allocator, in the files that it has mapped */
};

struct tracee_thread {
	uint32_t tid;
	uint32_t pid; /* of its own process */
	struct tracee *tracee;
	struct tracee_thread *host; /* not NULL: shares the memory of this one's process (vfork) */
	uint32_t guests;            /* threads whose host this is */
	uint64_t stack_begin;       /* 0: not known */
	uint64_t told_begin;        /* the same as the kernel part knows it */
	uint32_t number;            /* in the trace, when begun */
	bool begun;
	bool resizing;
	struct ledger_old old; /* of the realloc in progress */
	uint64_t start_ns;
	char name[RING_NAME_BYTES];
	struct tracee_thread *next; /* in its bucket */
};

/* NULL: no memory. */
struct tracee *tracee_create(pid_t pid, struct codefiles *files, struct stacks *stacks);

/* A process forked from another: it has all that the parent has now. NULL: no memory. */
struct tracee *tracee_fork(const struct tracee *parent, pid_t pid);

/* Reads the program's path and arguments from /proc. */
void tracee_identify(struct tracee *t);

/* A file's code is mapped at [begin, end) from an offset in the file on. */
void tracee_map(struct tracee *t, const struct codefile *file, uint64_t begin, uint64_t end,
		uint64_t offset);

/* Takes over the writer and begins the trace, which can be read from now on. */
void tracee_begin(struct tracee *t, struct trace_writer *writer, uint64_t clock);

/* A thread's call; the trace is begun. clock: nanoseconds of the session. */
void tracee_call(struct tracee *t, struct tracee_thread *thread, const struct ring_head *message,
		 uint64_t clock);

/* The stack of a thread's next call, a message of so many bytes. */
void tracee_stack(struct tracee *t, struct tracee_thread *thread, const struct ring_stack *m,
		  size_t bytes);

/* Calls of a thread are missing here. thread: NULL for one that is not in the trace. */
void tracee_lost(struct tracee *t, struct tracee_thread *thread, uint64_t count, uint64_t clock);

/* A thread of the trace is over; name: its last, NULL: as it was. */
void tracee_exit(struct tracee *t, struct tracee_thread *thread, const char *name, uint64_t clock);

/* Lets readers of the trace see all that was told. */
void tracee_flush(struct tracee *t);

/* Ends the trace; sets message when it failed. end: why, when the program goes on, else NULL. */
void tracee_end(struct tracee *t, const char *end);
void tracee_destroy(struct tracee *t);

bool tracee_is_dead(const struct tracee *t);

#endif
