/*
 * An estate: the slabs that one heap owns, by class. Only the heap's thread touches it; what other
 * threads free comes back through each slab's list of remote frees.
 */
#ifndef ESTATE_H
#define ESTATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outbox.h"
#include "slablist.h"
#include "stat.h"

struct estate {
	uint32_t tag;                         /* of the heap; its slabs carry it */
	struct slablist avail[CLASS_MID_END]; /* slabs with free blocks */
	struct slablist full[CLASS_MID_END];  /* slabs without, as far as the owner knows */
	struct slablist empty; /* slabs without a used block, newest first, still formatted */
	unsigned empty_granules;
	_Atomic uint64_t slab_granules; /* of all its slabs */
	_Atomic uint64_t taken_bytes;   /* of its blocks that are out of their slabs */
	unsigned next_collected;        /* the class last searched for remote frees */
};

/* The map's word of the estate's blocks of `cls`. */
uint32_t estate_word(const struct estate *estate, unsigned cls);

/* Takes up to `most` free blocks of `cls`; 0: it has none. */
unsigned estate_take(struct estate *estate, unsigned cls, void **blocks, unsigned most,
		     struct counters *counters);

/* Makes a run from a shard a slab of `cls` with free blocks. */
void estate_add(struct estate *estate, void *run, unsigned cls, struct counters *counters);

/* Puts blocks of `cls` back to their slabs; those of others' slabs go on their way by the outbox.
 */
void estate_put(struct estate *estate, unsigned cls, void **blocks, size_t count,
		struct outbox *outbox, struct counters *counters);

/* True if a slab of `cls` has been used up. */
static inline bool estate_outgrown(const struct estate *estate, unsigned cls)
{
	return estate->full[cls].first != NULL;
}

/* Takes in remote frees: of every class, or of the next few. */
void estate_collect(struct estate *estate, struct counters *counters);
void estate_collect_some(struct estate *estate, struct counters *counters);

/* Gives all empty slabs back to their shards; false: it has none. */
bool estate_trim(struct estate *estate, struct counters *counters);

#endif
