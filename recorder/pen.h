/*
 * A thread's pen: what it writes its records with. Pens lie in memory that a fork wipes in the
 * child, so that a child can never write into its parent's lane.
 */
#ifndef RECORDER_PEN_H
#define RECORDER_PEN_H

#include "clock.h"
#include "record.h"
#include "track.h"

#define PEN_DEPTH 4 /* a thread, a signal handler that interrupts a hook, one that ... */

/* A call that obtains memory. */
struct pen_birth {
	unsigned kind;
	uint32_t site;
	uint64_t size, align;
};

struct pen {
	uint32_t ready;            /* no hook is in progress; 0 also: wiped, or not in use */
	uint32_t thread;           /* number of the thread in its process */
	struct track track;        /* track.lane NULL: wiped, or not in use */
	uintptr_t begin;           /* where the thread's stack begins, 0: not known */
	uintptr_t frame;           /* of the hook in progress */
	uint64_t lost;             /* calls dropped since the last record */
	bool interrupted;          /* a pen above may have written since the last record */
	struct pen_birth throwing; /* the call in progress, should it throw; kind 0: it cannot */
	struct pen *above;         /* for a signal handler that interrupts a hook; NULL: not made */
	struct pen *next;          /* on the list of free pens */
};

/* A pen with a lane whose first record says which thread it is; NULL: no memory or no lane. */
struct pen *pen_open(uint32_t thread, uint64_t tid, uint64_t clock);

/* Gives the pen and its lane to the next thread. */
void pen_close(struct pen *p);

/* Forgets all pens: after a fork, in the child. */
void pen_forget(void);

/* A signal handler is about to write with a pen above: above all that p wrote, and what p writes
 * afterwards will be above that. */
void pen_interrupt(struct pen *p);

/* The call in progress was left: it threw an exception, if it is one that can. */
void pen_fail(struct pen *p);

/* What the record of the next call has no room for. */
void pen_widen(struct pen *p, uint64_t size, uint64_t align);

/* The clock that p's last record is at most. */
static inline uint64_t pen_clock(const struct pen *p)
{
	return p->track.lane->bias +
	       atomic_load_explicit(&p->track.lane->count, memory_order_relaxed);
}

/* Makes the next record's clock be clock. Returns its place, or NULL when it is dropped. */
struct record *pen_jump(struct pen *p, uint64_t clock);

/* The slow path of pen_place(): more room, and first of all what was lost for lack of it. */
struct record *pen_turn(struct pen *p);

/* Place of the next record; NULL when it is dropped, and then counted. */
static inline struct record *pen_place(struct pen *p)
{
	struct session_lane *lane = p->track.lane;
	uint64_t count = atomic_load_explicit(&lane->count, memory_order_relaxed);

	if (__builtin_expect(count >= atomic_load_explicit(&lane->limit, memory_order_relaxed), 0))
		return pen_turn(p);
	return p->track.chunk + count % CHUNK_RECORDS;
}

/* Writes a record about addr. */
static inline void pen_write(struct pen *p, uint64_t addr, uint64_t word0, uint64_t word1)
{
	struct record *place = pen_place(p);
	uint64_t next, clock;

	if (__builtin_expect(!place, 0))
		return;
	next = pen_clock(p);
	clock = clock_take(addr, next);
	if (__builtin_expect(clock != next, 0)) {
		place = pen_jump(p, clock);
		if (!place)
			return;
	}
	place->word[0] = word0;
	place->word[1] = word1;
	track_publish(&p->track);
}

/* Writes the record of a call that obtained memory; flags: RECORD_FAILED or 0. */
static inline void pen_write_birth(struct pen *p, const void *ptr, const struct pen_birth *birth,
				   uint64_t flags)
{
	uint64_t head = record_head(birth->kind, (uintptr_t)ptr) | flags;
	uint64_t size = birth->size, align = birth->align;

	if (__builtin_expect(size > RECORD_SIZE_MAX || (align & (align - 1)), 0)) {
		pen_widen(p, size, align);
		size = align = 0;
	}
	if (align)
		head |= (uint64_t)(64 - __builtin_clzll(align)) << 56;
	pen_write(p, (uintptr_t)ptr, head, size | (uint64_t)birth->site << RECORD_SIZE_BITS);
}

#endif
