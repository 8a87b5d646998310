/*
 * Blocks that a thread freed but does not own, gathered by slab so that each batch costs one atomic
 * operation. Bounded: a batch is sent when it is long enough or when its place is needed.
 */
#ifndef OUTBOX_H
#define OUTBOX_H

#include "slab.h"
#include "stat.h"

#define OUTBOX_PLACES 32
#define OUTBOX_BATCH  32

struct outbox {
	struct {
		struct slab *slab;
		void *first, *last;
		unsigned count;
	} place[OUTBOX_PLACES];
};

void outbox_put(struct outbox *outbox, struct slab *slab, void *ptr, struct counters *counters);

/* Sends everything. */
void outbox_flush(struct outbox *outbox, struct counters *counters);

#endif
