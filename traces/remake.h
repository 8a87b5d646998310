/* Making a trace from a trace. Definitions keep their order, and with it their numbers. */
#ifndef TRACE_REMAKE_H
#define TRACE_REMAKE_H

#include "trace.h"

/* What becomes of definitions; a hook that is NULL leaves them as they are. */
struct remake_hooks {
	void *context;
	/* The fact's new value, NULL: it is left out. */
	const char *(*fact)(void *context, const char *key, const char *value);
	void (*module)(void *context, struct trace_module *module);
	void (*thread)(void *context, struct trace_thread *thread);
	const char *(*mark)(void *context, const char *text);
};

/* Returns 0 or a negative errno, which the writer can tell. */
int remake_definitions(const struct trace *trace, struct trace_writer *writer,
		       const struct remake_hooks *hooks);

/*
 * Opens both, calls make() for the rest and its totals, and says on stderr what went wrong; what
 * could not be finished is removed. make() returns 0, an error that trace or writer can tell, or
 * -ENOMEM. Of a trace that is not whole its whole part is taken, which is told too. Returns 0 or 1.
 */
int remake_run(const char *path, const char *output,
	       int (*make)(struct trace *trace, struct trace_writer *writer,
			   struct trace_totals *totals, void *context),
	       void *context);

/* Calls row() for every row in order, until it returns something else than 0, which is returned. */
int remake_rows(struct trace *trace,
		int (*row)(void *context, const struct trace_event *event,
			   const struct trace_pages *pages),
		void *context);

#endif
