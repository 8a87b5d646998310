/*
 * A lane as hakrec sees it: its records in order, each with its rank; chunks are given back as
 * they are read. What a broken program may have scribbled into the lane is bounded, not trusted.
 */
#ifndef RECORDER_INLET_H
#define RECORDER_INLET_H

#include "record.h"

#define INLET_AHEAD 48 /* records that are asked for before they are read */

struct inlet {
	struct session *session;
	struct session_lane *lane;
	const struct record *head; /* next record; valid after inlet_ready() returned true */
	uint64_t rank;             /* the next record's */
	uint64_t at;               /* number of the next record */
	uint64_t end;              /* records seen published */
	uint64_t settled;          /* those seen the look before: all that they rest on is seen */
	uint64_t until;            /* first record beyond chunk */
	uint64_t taken;            /* bytes of the chunks before */
	uint64_t shown;            /* records published when the lane was last shown the tick */
	uint32_t chunk;            /* where the next record lies, SESSION_NONE: nothing yet */
	const struct record *base; /* of that: session_chunk_base() */
	bool broken;               /* the lane makes no sense: nothing more is read */

	/* What records before said of the next one or of all that follow. */
	bool wide;
	uint64_t wide_size, wide_align;
	uint32_t thread; /* index of the process's thread, SESSION_NONE: not said yet */
	uint32_t number; /* of the thread in the trace */
	bool resizing;   /* a realloc's first half was read; the rest is the ledger's */
	uint64_t old_addr, old_object, old_size, old_align;
	uint64_t told_lost; /* calls dropped that records told of */
	bool waited;        /* the next record had to wait */
	bool paged;         /* of the next call's block the resident pages are known */
	uint64_t pages_addr, pages;
	uint64_t old_pages; /* of a realloc's old block; TRACE_NONE: not known */
};

void inlet_open(struct inlet *in, struct session *s, uint32_t lane);

/* Gives all chunks back and the lane to any process; nobody writes it any more. */
void inlet_close(struct inlet *in);

/* Sees what was published since the last look. */
static inline void inlet_look(struct inlet *in)
{
	_Atomic uint64_t *taken = &in->lane->taken;

	/* Else a program that has written over it might wait for ever. */
	if (__builtin_expect(atomic_load_explicit(taken, memory_order_relaxed) != in->taken, 0))
		atomic_store_explicit(taken, in->taken, memory_order_relaxed);
	in->settled = in->end;
	/* Acquire: pairs with session_publish(). */
	in->end = atomic_load_explicit(&in->lane->written, memory_order_acquire) /
		  sizeof(struct record);
}

/* Next chunk of the lane. False: broken. */
bool inlet_turn(struct inlet *in);

/* The record at number at, which is below end. NULL: broken. */
static inline const struct record *inlet_record(struct inlet *in)
{
	if (__builtin_expect(in->at >= in->until, 0) && !inlet_turn(in))
		return NULL;
	return in->base + in->at % LONG_RECORDS;
}

/* The clock of the next record: nanoseconds of the session. */
static inline uint64_t inlet_clock(const struct inlet *in)
{
	return rank_clock(in->rank);
}

/* Takes in a record that only says something of those that follow. */
void inlet_prefix(struct inlet *in, const struct record *r);

/* Moves past records that only prepare others. True: head is the next record to act on. */
static inline bool inlet_ready(struct inlet *in)
{
	while (in->at < in->end && !in->broken) {
		unsigned kind;

		in->head = inlet_record(in);
		if (!in->head)
			return false;
		kind = record_kind(in->head);
		if (__builtin_expect(
			    kind != RECORD_JUMP && kind != RECORD_WIDE && kind != RECORD_PAGES, 1))
			return true;
		inlet_prefix(in, in->head);
	}
	return false;
}

/* The head is dealt with, and so many records with it, all of its chunk. */
static inline void inlet_advance(struct inlet *in, uint64_t records)
{
	in->at += records;
}

#endif
