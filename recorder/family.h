/*
 * The recorded processes: the one that hakrec started and those that come of it. Each is met when
 * it has arrived, after those that it descends from, and has a trace until its end is seen.
 */
#ifndef RECORDER_FAMILY_H
#define RECORDER_FAMILY_H

#include "process.h"
#include "recording.h"

struct family {
	/* Set before the first is met. */
	struct session *session;
	struct recording *recording;
	struct unwinder *unwinder; /* all processes', freed with the family */
	pid_t first;               /* the process that hakrec started */
	void (*add_facts)(struct trace_writer *writer,
			  const struct process *p); /* for new traces */

	/* Set from outside, by another thread. */
	_Atomic bool first_ended; /* no more than what is left */
	_Atomic bool last_ended;  /* and no process is left at all */
	int first_status;         /* as waitpid() tells, set before first_ended */

	/* To be read. */
	struct process **processes; /* that were met and have not ended, in no order */
	size_t count;
	size_t n_strangers; /* arrivals that have to wait for others, or for their fork's record */

	/* Its own. */
	size_t room;
	uint32_t *strangers;
	struct legacy *legacies; /* of forked children that have not arrived */
	const char *stop;        /* why recording ends before the programs do, NULL: it does not */
};

/* Meets those that arrived: their traces begin. */
void family_meet(struct family *f);

/* Lets processes that are gone end, after meeting those that arrived. The others' traces are
 * brought up to date now and then; now: clock. */
void family_look_after(struct family *f, uint64_t now);

/* Whether there is any of that to do. */
bool family_wants(const struct family *f, uint64_t now);

/* No process is left, nor will one come. */
bool family_over(const struct family *f);

/* Recording ends, unless it has already, and every open trace says why: a text that stays. */
void family_stop(struct family *f, const char *why);

/* Recording ends, and with it all traces; says of processes that were not recorded. */
void family_close(struct family *f);
void family_fini(struct family *f);

#endif
