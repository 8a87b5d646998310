#include "order.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

enum { SEEN_ROW = 1, SEEN_EXIT = 2 };

int order_init(struct order *o, const struct trace *trace)
{
	const struct trace_thread *threads;

	*o = (struct order){0};
	live_init(&o->live, 0);
	o->seen = calloc(trace_threads(trace, &threads) + 1, 1);
	return o->seen ? 0 : -ENOMEM;
}

void order_fini(struct order *o)
{
	live_fini(&o->live);
	free(o->seen);
}

__attribute__((format(printf, 2, 3), cold)) static int illegal(struct order *o, const char *format,
							       ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(o->error, sizeof(o->error), format, args);
	va_end(args);
	return -EINVAL;
}

static int check_thread(struct order *o, const struct trace_event *row)
{
	unsigned char *seen = &o->seen[row->thread];

	if (row->kind == TRACE_INHERITED)
		return 0; /* from before the trace: of no thread here */
	if (*seen & SEEN_EXIT)
		return illegal(o, "thread %" PRIu32 " has exited before", row->thread);
	if (row->kind == TRACE_THREAD_START && *seen)
		return illegal(o, "thread %" PRIu32 " starts after its first row", row->thread);
	*seen |= row->kind == TRACE_THREAD_EXIT ? SEEN_EXIT : SEEN_ROW;
	return 0;
}

static int check_time(struct order *o, const struct trace_event *row)
{
	if (row->time_ns < o->last_ns)
		return illegal(o, "time goes back from %" PRIu64 " to %" PRIu64 " ns", o->last_ns,
			       row->time_ns);
	o->last_ns = row->time_ns;
	return 0;
}

/* Does what the row does; a failed realloc ends nothing, yet its object must be alive. */
static int apply(struct order *o, const struct trace_event *row)
{
	if (!(row->flags & TRACE_FAILED) || row->old_object == TRACE_NONE)
		return live_apply(&o->live, row, NULL);
	if (row->old_object >= o->live.next)
		return -ERANGE;
	return live_find(&o->live, row->old_object) ? 0 : -ESRCH;
}

int order_row(struct order *o, const struct trace_event *row)
{
	uint64_t next = o->live.next;
	int error = check_time(o, row);

	if (!error)
		error = check_thread(o, row);
	if (error)
		return error;
	error = apply(o, row);
	switch (error) {
	case -ESRCH:
		return illegal(o, "%s of object %" PRIu64 ", which is dead",
			       trace_kind_name(row->kind), row->old_object);
	case -EEXIST:
		return illegal(o, "object %" PRIu64 " is born a second time", row->object);
	case -ERANGE:
		if (row->old_object != TRACE_NONE && row->old_object >= next)
			return illegal(o, "%s of object %" PRIu64 ", which is not yet born",
				       trace_kind_name(row->kind), row->old_object);
		return illegal(o, "object %" PRIu64 " is born where %" PRIu64 " is next",
			       row->object, next);
	default:
		return error;
	}
}
