/*
 * A thread's pen: what it writes its records with. Pens lie in memory that a fork wipes in the
 * child, so that a child can never write into its parent's lane.
 */
#ifndef RECORDER_PEN_H
#define RECORDER_PEN_H

#include "bias.h"
#include "callsite.h"
#include "clock.h"
#include "record.h"
#include "track.h"

#define PEN_AHEAD 16 /* records */
#define PEN_FRAME                                                                                  \
	((const uintptr_t *)__builtin_dwarf_cfa()) /* of a function, inlined code included */
#define PEN_READY ((const uintptr_t *)1)           /* NULL: wiped, or not in use */
#define PEN_DEPTH 4 /* a thread, a signal handler that interrupts a hook, one that ... */

/* A call that obtains memory. */
struct pen_birth {
	unsigned kind;
	uint32_t site;
	uint64_t size, align;
};

struct pen {
	/* What each call takes, in one cache line with the track's first words. */
	_Alignas(64) const uintptr_t *frame; /* of the hook in progress: its canonical frame
					      * address; PEN_READY: of none */
	uint64_t size; /* of the call in progress, when it is of a hook by HOOK_BY() */
	struct callsite_view view;
	struct track track; /* track.lane NULL: wiped, or not in use */
	uint64_t biased;    /* the bias's word under which this lane's records pass by no slot; */
	uint64_t heeded;    /* ... under which they pass; else the lane has not heeded it */
	uint64_t tid;
	uint32_t thread;  /* number of the thread in its process */
	uint64_t lost;    /* calls dropped since the last record */
	bool interrupted; /* a pen above may have written since the last record */
	bool halved;      /* the first half of the realloc in progress was dropped */
	bool missed;      /* cut off before its hook began: of that, see guest_missed() */
	uint32_t site;    /* of the call in progress when it was looked up already, else 0 */
	struct pen_birth throwing; /* the call in progress, should it throw; kind 0: it cannot */
	struct pen *above;         /* for a signal handler that interrupts a hook; NULL: not made */
	struct pen *next;          /* on the list of free pens */
};

static inline bool pen_ready(const struct pen *p)
{
	return p->frame == PEN_READY;
}

/* Before the first pen. False: no memory. */
bool pen_prepare(void);

/* This is a forked child, and pen_forget() was not called yet. */
bool pen_wiped(void);

/* A pen with a lane whose first record says which thread it is; NULL: no memory or no lane. number:
 * the thread's, plus one; 0: it has none, and gets the process's next one if there is a lane. */
struct pen *pen_open(uint32_t *number, uint64_t tid, uint64_t clock);

/* Gives the pen, those above, and their lanes to the next thread. */
void pen_close(struct pen *p);

/* Keeps the pen of a thread that goes on after its exit record, which nothing tells of its end; and
 * closes those of such threads as are gone. Signals are blocked. */
void pen_keep(struct pen *p);

/* Forgets all pens: after a fork, in the child. */
void pen_forget(void);

/* In a forked child: the pen of a hook that goes on there, as the fork found it, is to write to
 * nowhere; in the child's children as well. begun: the hook had begun; else it may only have looked
 * for its pen, and every call takes its slow path. */
void pen_cut(struct pen *p, const struct pen *found, bool begun);

/* A signal handler is about to write with a pen above: above all that p wrote, and what p writes
 * afterwards will be above that. */
void pen_interrupt(struct pen *p);

/* The call in progress was left: it threw an exception, if it is one that can. */
void pen_fail(struct pen *p);

/* The next record's rank, unless its lane is raised. */
static inline uint64_t pen_rank(const struct pen *p)
{
	return atomic_load_explicit(&p->track.lane->rank, memory_order_relaxed);
}

/* Raises the lane to a rank of its. Returns the next record's place, or NULL when it is dropped. */
struct record *pen_jump(struct pen *p, uint64_t rank);

/* The call in progress cannot be recorded: it is counted, and the next record tells of it. */
void pen_drop(struct pen *p);

/* The slow path of pen_place(): more room, and first of all what was lost for lack of it. */
struct record *pen_turn(struct pen *p);

/* Place of the next record; NULL when it is dropped, and then counted. */
static inline struct record *pen_place(struct pen *p)
{
	if (__builtin_expect(track_limited(&p->track), 0))
		return pen_turn(p);
	return track_here(&p->track);
}

/* Writes a record about addr, whatever it takes. False: it was dropped. */
bool pen_write(struct pen *p, uint64_t addr, uint64_t word0, uint64_t word1);

/* Writes the first half of a realloc; if that is dropped, so is the second: one call. */
void pen_write_old(struct pen *p, const void *ptr);

/* Writes a record that is no call's: it is never dropped. */
void pen_tell(struct pen *p, enum record_kind kind, uint64_t number, uint64_t word1);

/* The same, above all that the process's threads have written, and below all that they write once
 * this has returned. */
void pen_tell_between(struct pen *p, enum record_kind kind, uint64_t number);

/* Tells the resident pages of the block of the next call; TRACE_NONE: nothing is told. */
void pen_write_pages(struct pen *p, const void *ptr, uint64_t pages);

/* Writes the record of a call that obtained memory at ptr, or failed: NULL. */
void pen_write_birth(struct pen *p, const void *ptr, const struct pen_birth *birth);

/* Whether what is written, which is set, is below a limit. */
static inline bool pen_below(const struct pen *p, const _Atomic uint64_t *limit, uint64_t *written)
{
	bool below;

	*written = atomic_load_explicit(&p->track.lane->written, memory_order_relaxed);
	/* A relaxed load, which the compiler would not make a part of the comparison. */
	__asm__ volatile("cmp %2, %1" : "=@ccb"(below) : "r"(*written), "m"(*limit));
	return below;
}

/* This lane has the bias, and nothing has come up: the next record may be put. */
static inline bool pen_alone(const struct pen *p, uint64_t *written)
{
	return pen_below(p, &p->track.lane->alone, written);
}

/* Passes the next record's rank to the slot of addr, so that it may be put. False: it needs another
 * rank, or something has come up. */
static inline bool pen_pass(const struct pen *p, uint64_t addr, uint64_t *written)
{
	uint64_t rank = pen_rank(p);

	if (__builtin_expect(p->heeded != bias_now(), 0))
		return false;
	/* A rank that was passed on and then not used does no harm. */
	return clock_pass(addr, rank) == rank && pen_below(p, &p->track.lane->limit, written);
}

/* Writes the next record, of a call, with the lane's rank. addr: with the alignment's bits. As few
 * instructions as there can be: a field is written apart rather than shifted to its place. */
static inline void pen_put(struct pen *p, uint64_t written, unsigned kind, uint64_t addr,
			   uint64_t site, uint64_t size)
{
	/* Before the stores, which might change it for all that the compiler knows. */
	struct session_lane *lane = p->track.lane;
	struct record *place = track_at(&p->track, written);

	place->word[0] = addr;
	place->kind = (uint8_t)kind;
	place->word[1] = site;
	if (!__builtin_constant_p(size) || size)
		place->size = (uint32_t)size;
	/* hakrec's processor had this memory last: ask for it before the stores wait for it. */
	__builtin_prefetch(place + PEN_AHEAD, 1);
	session_publish(lane, written);
}

#endif
