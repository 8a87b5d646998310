/*
 * One process's trace in the making: takes calls in the order of the trace, from whatever source,
 * gives out object numbers and writes rows. It knows which blocks are alive; a call that does not
 * fit (a free of a block not alive, a birth at an address that is) is refused until it is forced.
 */
#ifndef RECORDER_LEDGER_H
#define RECORDER_LEDGER_H

#include "objects.h"
#include "traces/trace.h"

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
};

struct ledger {
	struct trace_writer *writer;
	int error; /* the writer's first: nothing more is written */
	uint64_t start_clock;
	uint64_t last_ns;
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

/*
 * Each takes a call or refuses it; a forced one is always taken. Of the row everything is set but
 * the time and the objects; addr is the block's, and is not written.
 */
enum ledger_verdict ledger_birth(struct ledger *l, struct trace_event *row, uint64_t clock,
				 bool force);
enum ledger_verdict ledger_death(struct ledger *l, struct trace_event *row, uint64_t clock,
				 bool force);

/* A realloc begins with the block at addr: dead from now on, unless the realloc fails. */
enum ledger_verdict ledger_resize(struct ledger *l, uint64_t addr, struct ledger_old *old,
				  bool force);
/* ... and ends. old->addr 0: it was of a null pointer. */
enum ledger_verdict ledger_resized(struct ledger *l, struct trace_event *row, uint64_t clock,
				   const struct ledger_old *old, bool force);

/* A row of another kind. */
void ledger_mark(struct ledger *l, enum trace_kind kind, uint64_t clock, uint32_t thread,
		 uint64_t size);

#endif
