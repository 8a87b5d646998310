/*
 * A slab: a run of equal blocks in one or more granules. Which blocks are free stands in a bitmap
 * (in the record itself, or before the first block when there are many), never in the blocks, so
 * that a program's stray write cannot forge a free list and each block's state can be checked.
 *
 * Only the owner's thread touches a slab, but for `remote`: blocks freed by other threads.
 */
#ifndef SLAB_H
#define SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "class.h"
#include "notice.h"

#define SLAB_INLINE_WORDS     2
#define SLAB_WORD_BITS        64
#define SLAB_RECIPROCAL_SHIFT 40

struct slab {
	_Alignas(64) char *start; /* first block */
	uint64_t *free;           /* bitmap: 1 is free */
	uint64_t reciprocal;      /* index of a block = offset * reciprocal >> 40 */
	uint64_t bits[SLAB_INLINE_WORDS];
	uint32_t tag;    /* of its owner */
	uint16_t blocks; /* in all; 0 for a span */
	uint16_t free_blocks;
	uint16_t word;    /* no bitmap word below has a free block */
	uint8_t cls;      /* of its blocks */
	uint8_t granules; /* it takes */
	uint8_t before;   /* granules from the run's first one to this one */
	/* Head of the list of remote frees; links are encoded. On another line than what every
	 * refill and flush of the owner needs. */
	_Alignas(64) _Atomic(void *) remote;
	struct slab *next, *prev; /* in one of its heap's lists */
};

/* Once: a secret for the links of remote frees. */
void slab_init(uint64_t secret);

/* Makes the granules at `ptr` (the slab record is the first one's) a slab of `class`, all blocks
 * free. */
void slab_format(struct slab *slab, char *ptr, unsigned cls);

/* Takes up to `most` free blocks, the lowest last, so that a stack gives it out first. */
unsigned slab_take(struct slab *slab, void **blocks, unsigned most);

/* Takes a block back; reports misuse. */
static inline void slab_put(struct slab *slab, void *ptr)
{
	size_t offset = (size_t)((char *)ptr - slab->start);
	size_t index = (offset * slab->reciprocal) >> SLAB_RECIPROCAL_SHIFT;
	unsigned word = (unsigned)(index / SLAB_WORD_BITS);
	uint64_t bit = (uint64_t)1 << (index % SLAB_WORD_BITS);

	if (index >= slab->blocks || index * class_table[slab->cls].size != offset)
		notice_fatal("free of a pointer that is not the start of a block:", ptr);
	if (slab->free[word] & bit)
		notice_fatal("double free of", ptr);
	slab->free[word] |= bit;
	if (word < slab->word)
		slab->word = (uint16_t)word;
	slab->free_blocks++;
}

/* True if ptr is the start of a block of the slab. */
bool slab_has(const struct slab *slab, const void *ptr);

/* Links `ptr` before `next` for a batch of remote frees. */
void slab_link(void *ptr, void *next);

/* Hands the linked blocks first..last to the slab's owner. Returns how often it had to be tried
 * again. */
unsigned slab_remote_push(struct slab *slab, void *first, void *last);

/*
 * Takes up to `most` of the remote frees for the caller, who need not own the slab: the blocks stay
 * out of it. Returns their number.
 */
unsigned slab_remote_take(struct slab *slab, void **blocks, unsigned most);

/* Takes the remote frees in; returns their number. */
unsigned slab_remote_collect(struct slab *slab);

static inline bool slab_remote_any(const struct slab *slab)
{
	return atomic_load_explicit(&slab->remote, memory_order_relaxed) != NULL;
}

#endif
