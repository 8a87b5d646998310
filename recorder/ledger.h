/*
 * One process's trace in the making: takes calls in the order of the trace, from whatever source,
 * gives out object numbers and writes rows. It knows which blocks are alive; a call that does not
 * fit (a free of a block not alive, a birth at an address that is) is refused until it is forced.
 */
#ifndef RECORDER_LEDGER_H
#define RECORDER_LEDGER_H

#include "objects.h"
#include "traces/trace.h"

#include <errno.h>

#define LEDGER_SPOILT (-EBADMSG) /* what is told of the process makes no sense any more */

/* The block that a realloc began with. */
struct ledger_old {
	uint64_t addr;   /* 0: none */
	uint64_t number; /* TRACE_NONE: foreign */
	uint64_t size, align;
};

struct ledger_counts {
	uint64_t events; /* calls */
	uint64_t late, repaired, lost, foreign;
	uint64_t unseen_deaths; /* blocks whose address was born again */
	uint64_t live_bytes, peak_live_bytes;
	bool cut; /* the last calls are not in the trace, and peak_live_bytes may be theirs */
};

struct ledger {
	struct trace_writer *writer;
	const struct trace_pages *pages; /* of the call's blocks; NULL: not known */
	int error;                       /* the writer's first: nothing more is written */
	uint64_t start_clock;
	uint64_t last_ns;
	uint64_t grain_ns; /* rows have the time of one before them that is not longer ago */
	uint64_t row_ns;   /* time of the last row */
	uint64_t next_object;
	struct objects objects;
	struct ledger_counts counts;
};

enum ledger_verdict { LEDGER_TAKEN, LEDGER_UNFIT };

/* Takes over the writer; objects may hold inherited blocks, which are told by ledger_inherit(). */
int ledger_init(struct ledger *l, struct trace_writer *writer, uint64_t start_clock);
void ledger_fini(struct ledger *l);

/* Rows for the blocks that were alive at the fork; objects are those of the parent. */
int ledger_inherit(struct ledger *l, const struct objects *objects, uint32_t thread);

/* Rows are in the order of their clocks, but for those that came too late for it. */
static inline uint64_t ledger_time(struct ledger *l, uint64_t clock)
{
	uint64_t ns = clock > l->start_clock ? clock - l->start_clock : 0;

	if (__builtin_expect(ns < l->last_ns, 0)) {
		l->counts.late++;
		return l->row_ns;
	}
	l->last_ns = ns;
	if (ns - l->row_ns > l->grain_ns)
		l->row_ns = ns;
	return l->row_ns;
}

/* A row of which the resident pages are told: of large blocks alone. */
int ledger_write_pages(struct ledger *l, const struct trace_event *row);

static inline void ledger_write(struct ledger *l, struct trace_event *row, uint64_t clock)
{
	l->counts.events++;
	row->time_ns = ledger_time(l, clock);
	row->addr = 0;
	if (__builtin_expect(!l->error, 1))
		l->error =
			l->pages ? ledger_write_pages(l, row) : trace_writer_event(l->writer, row);
}

/* There are so many bytes more. */
static inline void ledger_lives(struct ledger *l, uint64_t bytes)
{
	l->counts.live_bytes += bytes;
	if (l->counts.live_bytes > l->counts.peak_live_bytes)
		l->counts.peak_live_bytes = l->counts.live_bytes;
}

/* Enters the block of a row that is born. False: one is alive at its address, and not forced. */
static inline bool ledger_enter(struct ledger *l, struct trace_event *row, bool force)
{
	const struct object object = {l->next_object, row->size, row->align};
	struct object unseen;
	int error = objects_put(&l->objects, row->addr, &object);

	if (__builtin_expect(error == -EEXIST, 0)) {
		if (!force)
			return false;
		objects_take(&l->objects, row->addr, &unseen);
		l->counts.unseen_deaths++;
		l->counts.live_bytes -= unseen.size;
		error = objects_put(&l->objects, row->addr, &object);
	}
	if (__builtin_expect(error, 0)) {
		l->error = error;
		return true;
	}
	row->object = l->next_object++;
	ledger_lives(l, row->size);
	return true;
}

/*
 * Each takes a call or refuses it; a forced one is always taken. Of the row everything is set but
 * the time and the objects; addr is the block's, and is not written.
 */
static inline enum ledger_verdict ledger_birth(struct ledger *l, struct trace_event *row,
					       uint64_t clock, bool force)
{
	row->object = row->old_object = TRACE_NONE;
	if (__builtin_expect(!(row->flags & TRACE_FAILED), 1) && !ledger_enter(l, row, force))
		return LEDGER_UNFIT;
	ledger_write(l, row, clock);
	return LEDGER_TAKEN;
}

static inline enum ledger_verdict ledger_death(struct ledger *l, struct trace_event *row,
					       uint64_t clock, bool force)
{
	struct object object;

	row->object = row->old_object = TRACE_NONE;
	if (__builtin_expect(objects_take(&l->objects, row->addr, &object), 1)) {
		row->old_object = object.number;
		l->counts.live_bytes -= object.size;
	} else {
		if (!force)
			return LEDGER_UNFIT;
		row->flags |= TRACE_FOREIGN;
		l->counts.foreign++;
	}
	ledger_write(l, row, clock);
	return LEDGER_TAKEN;
}

/* A realloc begins with the block at addr: dead from now on, unless the realloc fails. */
enum ledger_verdict ledger_resize(struct ledger *l, uint64_t addr, struct ledger_old *old,
				  bool force);
/* ... and failed, or nobody knows: the block lives on. */
void ledger_keep(struct ledger *l, const struct ledger_old *old);
/* ... and ends. old->addr 0: it was of a null pointer. */
enum ledger_verdict ledger_resized(struct ledger *l, struct trace_event *row, uint64_t clock,
				   const struct ledger_old *old, bool force);

/*
 * Ends the trace: end says why, where the program did not (NULL: it did). What is counted is then
 * what the trace holds. Returns what went wrong, the caller's to free, or NULL.
 */
char *ledger_end(struct ledger *l, const char *path, const char *end);

/* A row of another kind. */
void ledger_mark(struct ledger *l, enum trace_kind kind, uint64_t clock, uint32_t thread,
		 uint64_t size);

#endif
