/*
 * A lane as its producer sees it: where to write, and a new chunk when the last one is full.
 * Async-signal-safe as long as one lane has one writer at a time.
 */
#ifndef RECORDER_TRACK_H
#define RECORDER_TRACK_H

#include "session.h"

/*
 * So many bytes of a lane may wait for hakrec, within a chunk. Who writes faster than hakrec reads
 * has to wait sooner or later, and while there is room in the caches for what lies between the two,
 * both are faster.
 */
#define TRACK_AHEAD ((uint64_t)8 << 20)

struct track {
	struct session_lane *lane; /* NULL: none */
	struct record *chunk;      /* the one that the next record goes to: session_chunk_base() */
	bool patient;              /* drops nothing in a lossy session either */
	bool slow;                 /* every record goes by track_place(): the limit stays 0 */
	bool shut;                 /* there is never room */
	uint64_t looked;           /* records published when the clock was looked at last ... */
	uint64_t looked_ns;        /* ... what it said ... */
	uint64_t step;             /* ... and after how many more to look again */
};

/* Takes a lane for the process: one that an ended thread left, or a new one. False: none left. */
bool track_open(struct track *t);

/* Leaves the lane for the process's next thread. */
void track_close(struct track *t);

/* In a forked child: what is written there goes nowhere from now on; room: there is always room,
 * else never. */
void track_cut(struct track *t, bool room);

/* Looks at the clock, so that the next record has its time; the limit is set by it later. */
void track_look(struct track *t);

/* The slow path of a lane that is written up to the limit. False: the record must be dropped. */
bool track_refill(struct track *t);

/* Of a slow track: there is room, and hakrec wants nothing. */
bool track_clear(const struct track *t);

/* Place of the next record, where there is room, when so many bytes are written. */
static inline struct record *track_at(const struct track *t, uint64_t written)
{
	return (struct record *)((char *)t->chunk + written % LONG_BYTES);
}

static inline struct record *track_here(const struct track *t)
{
	return track_at(t, atomic_load_explicit(&t->lane->written, memory_order_relaxed));
}

/* There is no room, or something has come up. */
static inline bool track_limited(const struct track *t)
{
	return atomic_load_explicit(&t->lane->written, memory_order_relaxed) >=
	       atomic_load_explicit(&t->lane->limit, memory_order_relaxed);
}

/* Place of the next record, NULL when it must be dropped; track_publish() makes it seen. */
static inline struct record *track_place(struct track *t)
{
	if (__builtin_expect(track_limited(t), 0)) {
		track_look(t);
		if (!track_refill(t))
			return NULL;
	}
	return track_here(t);
}

static inline void track_publish(struct track *t)
{
	session_publish(t->lane, atomic_load_explicit(&t->lane->written, memory_order_relaxed));
}

#endif
