/*
 * What holds the threads of a parallel replay together, written into their streams: waits for
 * objects of other threads, the epochs of the skew window, and folds that tell the live bytes. In
 * lockstep all of it is left out.
 */
#ifndef REPLAYER_PACING_H
#define REPLAYER_PACING_H

#include "planfile.h"

#include <stdbool.h>
#include <stdint.h>

struct pacing {
	bool off; /* lockstep: the order itself holds everything together */
	struct planfile *file;
	struct pacing_thread *threads; /* by stream */
	uint32_t n_threads;            /* recorded ones */
	uint32_t window;               /* epochs; 0: there are none */
	uint64_t epoch_rows;
	uint64_t first_row;   /* of this part of the plan */
	uint32_t first_epoch; /* of this part: no epoch is in two */
};

/* Where a live object is to be found. */
struct pacing_place {
	struct plan_op *op; /* of its birth */
	uint32_t slot;
	uint32_t stream; /* of its birth */
	uint32_t birth;  /* number in that stream */
	uint32_t epoch;
};

/* skew: rows that one thread may be ahead of another; only for several threads that are not off. */
void pacing_init(struct pacing *pacing, const struct survey *survey, bool off, uint64_t skew);

/* Number of epochs for so many rows in one part. */
uint64_t pacing_epochs(const struct pacing *pacing, uint64_t rows);

/* Begins writing. Returns 0 or -ENOMEM. */
int pacing_begin(struct pacing *pacing, struct planfile *file);
void pacing_fini(struct pacing *pacing);

static inline uint32_t pacing_epoch(const struct pacing *pacing, uint64_t row)
{
	if (!pacing->window)
		return 0;
	return pacing->first_epoch + (uint32_t)((row - pacing->first_row) / pacing->epoch_rows);
}

/* A thread comes to an epoch, or with PLAN_NONE to its end. */
void pacing_pass(struct pacing *pacing, uint32_t thread, uint32_t epoch);

/* A thread is about to use an object that may be another's. */
void pacing_wait(struct pacing *pacing, uint32_t thread, const struct pacing_place *place,
		 uint32_t epoch);

/* A call changed the live bytes. */
void pacing_live(struct pacing *pacing, uint32_t thread, uint64_t died, uint64_t born);

/*
 * Another part of the plan begins with that row. Everybody has come to an end in the one before,
 * and what was born in it need not be waited for.
 */
void pacing_part(struct pacing *pacing, uint64_t row);

/* Tells the changes since the last time. */
void pacing_fold(struct pacing *pacing, uint32_t thread);

#endif
