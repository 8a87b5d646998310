/*
 * The lanes of one process merged into one order: by rank. A record that cannot be dealt with yet
 * waits while the other lanes go on, until what it waits for has come, or cannot come any more.
 *
 * Why waiting ends: a record is *settled* when it was seen published one look ago. Whatever it
 * rests on (the birth of the block it frees, ...) was published before it, so every lane's next
 * look, the one just made, has seen that; and it has a smaller rank. A settled record that still
 * waits when all of smaller ranks is dealt with lacks what it waits for: it is forced.
 */
#ifndef RECORDER_MERGE_H
#define RECORDER_MERGE_H

#include "inlet.h"

/* Why dealing with a lane stopped. */
enum merge_stop {
	MERGE_ENOUGH, /* its next record has a greater rank, or as many as wanted were dealt with
		       */
	MERGE_EMPTY,  /* there is no next record */
	MERGE_WAIT,   /* its next record has to wait */
};

struct merge {
	struct inlet **lanes; /* all */
	size_t count, room;
	struct inlet **heap; /* those with a record to deal with, smallest rank first */
	size_t heaped;
	struct inlet **waiting;
	size_t waits;
	/* Deals with a lane's head and what follows, up to a rank, at most so many; counts them
	 * in dealt. A forced head must not wait. */
	enum merge_stop (*deal)(void *context, struct inlet *in, uint64_t rank, uint64_t most,
				bool force);
	void *context;
	uint64_t dealt; /* in this run */
	bool stopped;   /* ... which ends, by what deal was asked for */
};

/* Returns 0 or -ENOMEM; the lane is the merge's from then on. */
int merge_add(struct merge *m, struct inlet *lane);
void merge_fini(struct merge *m);

/* Sees what was published. */
void merge_look(struct merge *m);

/* Deals with what was seen, up to a rank, in order; when deal sets stopped, another look and run do
 * the rest. Sets dealt, the number of records. */
void merge_run(struct merge *m, uint64_t rank);

#endif
