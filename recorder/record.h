/*
 * What the 16 bytes of a record mean.
 *
 *   word 0   63       62      56 55   48 47                0
 *            [unused] [align    ] [kind ] [address           ]
 *   word 1   63                 32 31                      0
 *            [size               ] [site                    ]
 *
 * kind is a call of traces/calls.h or one of enum record_kind; align is the binary logarithm of
 * the alignment plus one, 0 for none. A record has the rank of the one before it in its lane,
 * unless a RECORD_JUMP or a chunk begins in between. A size or alignment that does not fit stands
 * in full in a RECORD_WIDE before.
 */
#ifndef RECORDER_RECORD_H
#define RECORDER_RECORD_H

#include "session.h"
#include "traces/trace.h"

#define RECORD_ADDR_BITS 48
#define RECORD_SITE_BITS 24 /* that are used */
#define RECORD_ADDR_MAX  (((uint64_t)1 << RECORD_ADDR_BITS) - 1)
#define RECORD_SIZE_MAX  UINT32_MAX
#define RECORD_SITE_MAX  (((uint32_t)1 << RECORD_SITE_BITS) - 1)

/* Kinds that no trace has. */
enum record_kind {
	RECORD_JUMP = 128,   /* word 1: the lane's clock from now on */
	RECORD_WIDE = 129,   /* address: the next call's alignment; word 1: its size */
	RECORD_OLD = 130,    /* a realloc of this address begins; its result follows */
	RECORD_THREAD = 131, /* the lane is now this thread's: address its number, word 1 its tid */
	RECORD_EXIT = 132,   /* the lane's thread ends */
	RECORD_FORK = 133,   /* address: the child's number in the session */
	RECORD_PAGES = 135,  /* word 1: resident pages of the next call's block, at this address */
	RECORD_LOST = 134,   /* word 1: calls of this thread dropped here */
};

static inline uint64_t record_head(unsigned kind, uint64_t addr)
{
	return addr | (uint64_t)kind << RECORD_ADDR_BITS;
}

/* size: RECORD_SIZE_MAX at most. */
static inline uint64_t record_rest(uint32_t site, uint64_t size)
{
	return site | size << 32;
}

/* align: a power of two, or 0. */
static inline uint64_t record_align_bits(uint64_t align)
{
	return align ? (uint64_t)(64 - __builtin_clzll(align)) << 56 : 0;
}

static inline unsigned record_kind(const struct record *r)
{
	return r->kind;
}

static inline uint64_t record_addr(const struct record *r)
{
	return r->word[0] & RECORD_ADDR_MAX;
}

/* A call that obtained nothing has failed, but for a realloc to size 0: that gives back. */
static inline bool record_failed(const struct record *r, uint64_t size)
{
	return __builtin_expect(!record_addr(r), 0) &&
	       (size || trace_class(record_kind(r)) == TRACE_CLASS_ALLOC);
}

static inline uint64_t record_align(const struct record *r)
{
	unsigned field = r->align & 127;

	return field ? (uint64_t)1 << (field - 1) % 64 : 0;
}

static inline uint64_t record_size(const struct record *r)
{
	return r->size;
}

static inline uint32_t record_site(const struct record *r)
{
	return r->site;
}

#endif
