/*
 * Turns a log of calls that are known by address into a trace of objects in legal order.
 *
 * Logs are written in nearly the order in which things happened: a free may be logged after another
 * thread's allocation that was given the same address. Such an allocation waits, with all that its
 * thread does after it, until the free has come; likewise a free that was logged before its
 * allocation. Each thread keeps its own order; the rows that waited are marked TRACE_REPAIRED. A
 * call waits only when the RESOLVER_WINDOW calls after it show that the one it needs is to come.
 * What cannot be repaired is counted: a free that finds nothing is TRACE_FOREIGN; an allocation of
 * an address whose free is nowhere proves one lost call, and the block before it lives to the
 * trace's end.
 */
#ifndef TRACE_RESOLVER_H
#define TRACE_RESOLVER_H

#include "trace.h"

#define RESOLVER_WINDOW 32768

struct logged_call {
	uint64_t time_ns; /* 0: the log has no times */
	uint64_t tid;
	uint64_t addr;     /* allocated, reallocated to (0: failed), or freed */
	uint64_t old_addr; /* reallocated from */
	uint64_t size;
	uint64_t align;
	uint64_t line;
	uint32_t site; /* number of a trace_site, or TRACE_NO_SITE */
	uint8_t kind;  /* of a call, or TRACE_THREAD_EXIT */
};

/* Calls of one sort, and where the first of them is. */
struct resolver_finding {
	uint64_t calls;
	uint64_t line;
	uint64_t addr;
};

struct resolver_counts {
	uint64_t calls;      /* in the log */
	uint64_t null_frees; /* of these: they are no events */
	bool timed;          /* some have times */
	struct resolver_finding repaired;
	struct resolver_finding foreign;
	struct resolver_finding lost;
};

struct resolver;

/* Writes to an open writer, which stays the caller's. Returns NULL when out of memory. */
struct resolver *resolver_create(struct trace_writer *writer);
void resolver_destroy(struct resolver *r);

/* Takes the next call of the log. Returns 0 or a negative errno (the writer's, or -ENOMEM). */
int resolver_call(struct resolver *r, const struct logged_call *call);

/* Writes what is still held back; *totals are those of the whole trace. */
int resolver_finish(struct resolver *r, struct trace_totals *totals);

const struct resolver_counts *resolver_counts(const struct resolver *r);

#endif
