/*
 * The legality of a trace's order, as far as decoding one block cannot see it: objects die once and
 * after their birth, threads start with their first row and end with their exit, time never goes
 * back.
 */
#ifndef TRACE_ORDER_H
#define TRACE_ORDER_H

#include "live.h"

struct order {
	struct live live;
	unsigned char *seen; /* of each thread: has a row, has exited */
	uint64_t last_ns;
	char error[160];
};

/* The trace must stay open until the fini. Returns 0 or -ENOMEM. */
int order_init(struct order *o, const struct trace *trace);
void order_fini(struct order *o);

/*
 * Takes the next row. Returns 0, -EINVAL with o->error set when the row is illegal (nothing may
 * follow then), or -ENOMEM.
 */
int order_row(struct order *o, const struct trace_event *row);

#endif
