/*
 * The memory that hakrec shares with the programs it records: the whole contract of the two sides.
 *
 * A *lane* is one producer's stream of records: a chain of chunks and how much of it is published,
 * in bytes. A lane belongs to one process; one thread at a time writes it, hakrec reads it. A
 * process also has one lane of *notes*, messages (note.h) cut into pieces of a record's size.
 * Chunks are short or long: a lane that has written much goes on in long ones, since each new one
 * costs some accesses to memory that another processor changed last.
 * Everything is referred to by number, never by pointer: each process maps the memory elsewhere.
 */
#ifndef RECORDER_SESSION_H
#define RECORDER_SESSION_H

#include "rank.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_MAGIC   0x316365726b6168ull
#define SESSION_VERSION 9
#define SESSION_ENV     "HAKREC_SESSION" /* in the environment: number of the memory's segment */
#define SESSION_NONE    UINT32_MAX
#define CHUNK_RECORDS   256u  /* in a short chunk */
#define LONG_RECORDS    4096u /* in a long one */
#define CHUNK_BYTES     (CHUNK_RECORDS * sizeof(struct record))
#define LONG_BYTES      (LONG_RECORDS * sizeof(struct record))
#define SESSION_PAGE    4096u

/* 16 bytes in a lane; record.h gives them meaning. */
struct record {
	union {
		uint64_t word[2];
		uint16_t part[4]; /* of the first word */
		struct {
			uint8_t addr[6], kind, align;
			uint32_t site, size;
		};
	};
};

enum session_mode {
	SESSION_CONTEXT = 1, /* sites are return address and stack height */
	SESSION_ADDRESS = 2, /* sites are return addresses */
	SESSION_EXACT = 4,   /* each record has its own time */
	SESSION_LOSSY = 8,   /* drop records rather than wait for memory */
	SESSION_ALONE = 16,  /* do not follow children */
	SESSION_KEPT = 32,   /* nobody reads before the end: a lane is as long as there is memory */
};

/* A stack of numbers linked through an array: tag in the upper half against ABA. */
struct session_stack {
	_Atomic uint64_t top;
};

enum process_state {
	PROCESS_FREE,
	PROCESS_RESERVED, /* forked, no call yet */
	PROCESS_LIVE,     /* its notes lane is there */
};

struct session_process {
	_Alignas(128) _Atomic uint32_t state;
	_Atomic int32_t pid;
	uint32_t parent;            /* process it was forked from, SESSION_NONE: an exec'd image */
	_Atomic uint32_t announced; /* a fork record in a lane of parent stands for this fork */
	_Atomic uint32_t lanes;     /* newest of its lanes, linked by session_lane.older */
	_Atomic uint32_t notes;     /* number of the lane of its notes */
	_Atomic uint32_t threads;   /* numbers given out to threads */
	_Atomic uint32_t lone;      /* lane, plus one, that alone has written for a while; or 0 */
	_Atomic uint32_t late;      /* calls made by threads whose exit record was written */
	_Atomic uint64_t unheard;   /* calls made by threads that had no lane */
	struct session_stack spare; /* lanes that no thread uses, linked by session_lane.next */
	uint32_t next;              /* on the stack of free or arrived processes */
};

struct session_lane {
	/* Written by the producer; session_poke() lowers the limits to 0. */
	_Alignas(128) _Atomic uint64_t written; /* bytes of the records published */
	_Atomic uint64_t alone;   /* as limit, while the lane has the bias (bias.h); else 0 */
	_Atomic uint64_t limit;   /* so much written, the producer takes its slow path */
	uint64_t end;             /* so much written, the last chunk is full */
	_Atomic uint64_t rank;    /* of the records written now */
	uint32_t chunk;           /* that the next record goes to */
	_Atomic uint32_t first;   /* first chunk ever, SESSION_NONE: none yet */
	_Atomic uint64_t dropped; /* calls that its producers could not record, ever */

	/* Written by hakrec, or seldom. */
	_Alignas(64) _Atomic uint64_t taken; /* bytes whose chunks were given back */
	uint32_t process;
	uint32_t older; /* lane of the same process made before, SESSION_NONE: none */
	uint32_t next;  /* on the stack of free or spare lanes */
};

struct session {
	uint64_t magic;
	uint32_t version;
	uint32_t mode;
	uint64_t bytes; /* of the whole memory */
	uint32_t processes, lanes;
	uint32_t chunks, long_chunks; /* numbers of long ones follow those of the short */
	uint32_t chunks_wanted; /* beyond one a lane, so many short ones, more where it is urgent */
	uint64_t processes_at, lanes_at, links_at, chunks_at; /* offsets */
	uint64_t start_ns;                                    /* CLOCK_MONOTONIC of clock 0 */
	uint64_t tsc_start, tsc_scale; /* clock = (tsc - tsc_start) * tsc_scale >> 32 */
	int32_t filters;               /* of system calls that hakrec lives under; -1: not known */

	/* Read at every call. */
	_Alignas(128) _Atomic uint64_t tick; /* a recent clock */
	_Atomic uint32_t closed;             /* hakrec takes nothing any more */

	_Alignas(128) struct session_stack free_chunks;
	_Atomic uint32_t chunks_made; /* chunks above this one were never used */
	struct session_stack free_long;
	_Atomic uint32_t long_made;
	_Atomic uint32_t starving; /* a producer waits for a chunk; futex: freed */
	_Atomic uint32_t freed;

	_Alignas(128) struct session_stack free_lanes;
	_Atomic uint32_t lanes_made;
	struct session_stack free_processes;
	_Atomic uint32_t processes_made;
	struct session_stack arrivals; /* live processes that hakrec has not met */
	_Atomic uint32_t unrecorded;   /* processes for which no number, or no lane, was left */

	_Alignas(128) _Atomic uint32_t bell; /* futex: rung for a hakrec that sleeps */
	_Atomic uint32_t asleep;             /* until called: every lane's next record is to ring */
	_Atomic uint32_t
		owner; /* a robust futex of hakrec's: the kernel marks it when hakrec dies */
};

/* hakrec takes nothing any more, or is dead. */
static inline bool session_over(const struct session *s)
{
	return atomic_load(&s->closed) || atomic_load(&s->owner) & FUTEX_OWNER_DIED;
}

static inline void *session_at(const struct session *s, uint64_t offset)
{
	return (char *)(uintptr_t)s + offset;
}

static inline struct session_process *session_process(const struct session *s, uint32_t number)
{
	return (struct session_process *)session_at(s, s->processes_at) + number;
}

static inline struct session_lane *session_lane(const struct session *s, uint32_t number)
{
	return (struct session_lane *)session_at(s, s->lanes_at) + number;
}

static inline uint32_t session_lane_number(const struct session *s, const struct session_lane *lane)
{
	return (uint32_t)(lane - session_lane(s, 0));
}

/* The link of a chunk: the next one of its lane, or of the stack of free chunks. */
static inline _Atomic uint32_t *session_link(const struct session *s, uint32_t chunk)
{
	return (_Atomic uint32_t *)session_at(s, s->links_at) + chunk;
}

static inline bool session_is_long(const struct session *s, uint32_t chunk)
{
	return chunk >= s->chunks;
}

static inline struct record *session_chunk(const struct session *s, uint32_t chunk)
{
	uint32_t longs = session_is_long(s, chunk) ? chunk - s->chunks : 0;
	uint64_t offset = (uint64_t)(chunk - longs) * CHUNK_BYTES + (uint64_t)longs * LONG_BYTES;

	return (struct record *)session_at(s, s->chunks_at + offset);
}

/*
 * Record number at of a lane lies at number % LONG_RECORDS from here, when it lies in this chunk,
 * as all do from at to the chunk's end, session_chunk_end(). at: the chunk's first, or a later one.
 */
static inline struct record *session_chunk_base(const struct session *s, uint32_t chunk,
						uint64_t at)
{
	uint64_t skipped = session_is_long(s, chunk) ? 0 : at % LONG_RECORDS / CHUNK_RECORDS;

	return (struct record *)((uintptr_t)session_chunk(s, chunk) - skipped * CHUNK_BYTES);
}

/* The number of the first record beyond the chunk. */
static inline uint64_t session_chunk_end(const struct session *s, uint32_t chunk, uint64_t at)
{
	uint64_t records = session_is_long(s, chunk) ? LONG_RECORDS : CHUNK_RECORDS;

	return at - at % records + records;
}

/* Records that a lane's producers have published. Relaxed: to read them takes more. */
static inline uint64_t session_published(const struct session_lane *lane)
{
	return atomic_load_explicit(&lane->written, memory_order_relaxed) / sizeof(struct record);
}

/* Publishes a lane's next record; so many bytes are published so far. */
static inline void session_publish(struct session_lane *lane, uint64_t written)
{
	/* Release: pairs with hakrec's acquire; what is counted it sees written, and what was
	 * published before by whoever handed us the block it sees too. */
	atomic_store_explicit(&lane->written, written + sizeof(struct record),
			      memory_order_release);
}

/* Sends the lane's producer onto its slow path. In this order: pairs with pen.c, which sets alone
 * to what limit is. Sequentially consistent: after a tick; pairs with track_refill(). */
static inline void session_poke(struct session_lane *lane)
{
	atomic_store(&lane->limit, 0);
	atomic_store(&lane->alone, 0);
}

/* Clock now: nanoseconds since the session began. */
uint64_t session_now(const struct session *s);

/* Each takes a number or returns SESSION_NONE. A short chunk beyond the wanted number only when it
 * is urgent. */
uint32_t session_take_chunk(struct session *s, bool urgent);
uint32_t session_take_long(struct session *s);
uint32_t session_take_lane(struct session *s);
uint32_t session_take_process(struct session *s);
void session_give_chunk(struct session *s, uint32_t chunk);
void session_give_lane(struct session *s, uint32_t lane);
void session_give_process(struct session *s, uint32_t process);

/* A chunk would not be had now, unless it is urgent. */
bool session_short(const struct session *s);

/* Lanes that a process keeps for its next thread. */
uint32_t session_take_spare(struct session *s, struct session_process *p);
void session_give_spare(struct session *s, struct session_process *p, uint32_t lane);

/* A process presents itself to hakrec, which takes all at once: the last to arrive is returned, or
 * SESSION_NONE, and session_arrived_before() the one before another. */
void session_arrive(struct session *s, uint32_t process);
uint32_t session_take_arrivals(struct session *s);
uint32_t session_arrived_before(const struct session *s, uint32_t process);

/* Wakes the producers that wait for a chunk. */
void session_feed(struct session *s);

/* Wakes hakrec, or has it not fall asleep. */
void session_ring(struct session *s);

#endif
