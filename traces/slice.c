/*
 * haktrace slice: a stretch of time as a trace of its own. What is alive at its beginning enters as
 * inherited, so that the slice is legal and can be replayed.
 */
#include "command.h"
#include "live.h"
#include "product.h"
#include "remake.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPTION_FROM = 256, OPTION_TO, DONE = 1 };

/* What an object that is alive carries. */
struct alive {
	uint64_t number; /* in the slice */
	uint32_t site;   /* of its birth */
};

struct slice {
	struct product product;
	uint64_t from_ns, to_ns;
	struct trace_writer *writer;
	struct live live; /* carries struct alive */
	bool begun;
	bool cut;         /* rows follow */
	uint64_t objects; /* in the slice, so far */
	uint64_t last_ns, lost;
	char text[64]; /* a fact's value */
};

static const struct argp_option options[] = {
	{"from-ns", OPTION_FROM, "A", 0, "Begin at this time (default: the trace's beginning)"},
	{"to-ns", OPTION_TO, "B", 0, "End before this time (default: the trace's end)"},
	{0},
};

static uint64_t time_argument(struct argp_state *state, const char *arg)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(arg, &end, 10);
	if (end == arg || *end || *arg == '-' || errno)
		argp_error(state, "'%s' is no time in ns", arg);
	return number;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct slice *s = state->input;

	switch (key) {
	case OPTION_FROM:
		s->from_ns = time_argument(state, arg);
		return 0;
	case OPTION_TO:
		s->to_ns = time_argument(state, arg);
		return 0;
	case ARGP_KEY_INIT:
		return product_input(state, &s->product);
	case ARGP_KEY_END:
		if (s->from_ns >= s->to_ns)
			argp_error(state, "the slice ends before it begins");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.children = product_words,
	.doc = "Write the rows of a stretch of time as a trace of its own, whose time begins with "
	       "it. What is allocated at its beginning is inherited.",
};

/* ---- definitions ---- */

static const char *wall_clock(struct slice *s, uint64_t start_ns)
{
	time_t seconds = (time_t)((start_ns + s->from_ns) / 1000000000u);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(s->text, sizeof(s->text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return s->text;
}

static const char *change_fact(void *context, const char *key, const char *value)
{
	struct slice *s = context;
	struct tm utc = {0};

	/* Whether the end is the original's shows with the rows. */
	if (!strcmp(key, "end") || !strcmp(key, "exit_status"))
		return NULL;
	if (!strcmp(key, "start_unix_ns")) {
		snprintf(s->text, sizeof(s->text), "%" PRIu64,
			 (uint64_t)strtoull(value, NULL, 10) + s->from_ns);
		return s->text;
	}
	if (!strcmp(key, "start") && strptime(value, "%Y-%m-%dT%H:%M:%SZ", &utc))
		return wall_clock(s, (uint64_t)timegm(&utc) * 1000000000u);
	return value;
}

static void change_thread(void *context, struct trace_thread *thread)
{
	const struct slice *s = context;

	thread->start_ns = thread->start_ns > s->from_ns ? thread->start_ns - s->from_ns : 0;
	if (thread->exit_ns >= s->to_ns)
		thread->exit_ns = TRACE_NONE;
	else
		thread->exit_ns = thread->exit_ns > s->from_ns ? thread->exit_ns - s->from_ns : 0;
}

/* ---- rows ---- */

static int write_row(struct slice *s, const struct trace_event *event,
		     const struct trace_pages *pages)
{
	s->last_ns = event->time_ns;
	return trace_writer_event_pages(s->writer, event, pages);
}

/* Those that are alive where the slice begins, in the order of their births. */
static int inherit(struct slice *s)
{
	const struct trace_pages untold = {TRACE_NONE, TRACE_NONE};
	const struct trace_event *row;
	int error = 0;

	s->begun = true;
	for (uint64_t i = 0; i < s->live.next && !error; i++) {
		struct live_object *object = live_find(&s->live, i);
		struct alive *alive = object ? live_payload(object) : NULL;

		if (!object)
			continue;
		alive->number = s->objects++;
		row = &(struct trace_event){
			.kind = TRACE_INHERITED,
			.size = object->size,
			.align = object->align,
			.thread = object->thread,
			.site = alive->site,
			.object = alive->number,
			.old_object = TRACE_NONE,
		};
		error = write_row(s, row, &untold);
	}
	return error;
}

/* Does to the living what a row does; *old is the number in the slice of what it is about. */
static int follow(struct slice *s, const struct trace_event *row, uint64_t *old)
{
	struct live_object *object =
		row->old_object == TRACE_NONE ? NULL : live_find(&s->live, row->old_object);
	struct alive *born;
	int error;

	*old = object ? ((struct alive *)live_payload(object))->number : TRACE_NONE;
	if (row->old_object != TRACE_NONE && !object)
		return -ESRCH;
	error = live_apply(&s->live, row, NULL);
	if (error || row->object == TRACE_NONE)
		return error;
	born = live_payload(live_find(&s->live, row->object));
	*born = (struct alive){.site = row->site};
	if (s->begun)
		born->number = s->objects++;
	return 0;
}

static int take_row(void *context, const struct trace_event *row, const struct trace_pages *pages)
{
	struct slice *s = context;
	struct trace_event event = *row;
	int error;

	if (!s->begun && row->time_ns >= s->from_ns) {
		error = inherit(s);
		if (error)
			return error;
	}
	if (row->time_ns >= s->to_ns) {
		s->cut = true;
		return DONE;
	}
	error = follow(s, row, &event.old_object);
	if (error || !s->begun)
		return error;
	event.time_ns -= s->from_ns;
	if (event.object != TRACE_NONE)
		event.object = s->objects - 1;
	if (event.kind == TRACE_LOST)
		s->lost += event.size;
	return write_row(s, &event, pages);
}

/* What was left at the original's end is left at that of a slice that reaches it. */
static int tell_lefts(struct slice *s, const struct trace *trace)
{
	const struct trace_left *lefts;
	size_t n = trace_lefts(trace, &lefts);
	int error = 0;

	for (size_t i = 0; i < n && !s->cut && !error; i++) {
		struct live_object *object = live_find(&s->live, lefts[i].object);
		const struct alive *alive = object ? live_payload(object) : NULL;

		if (alive)
			error = trace_writer_left(s->writer, alive->number, lefts[i].pages);
	}
	return error;
}

/* What the original says of its end holds for a slice that reaches it. */
static int tell_end(struct slice *s, const struct trace *trace)
{
	static const char *const keys[] = {"end", "exit_status"};
	int error = s->cut ? trace_writer_fact(s->writer, "end", "slice") : 0;

	for (size_t i = 0; i < 2 && !s->cut && !error; i++)
		if (trace_fact(trace, keys[i]))
			error = trace_writer_fact(s->writer, keys[i], trace_fact(trace, keys[i]));
	return error;
}

static int make(struct trace *trace, struct trace_writer *writer, struct trace_totals *totals,
		void *context)
{
	struct slice *s = context;
	const struct remake_hooks hooks = {s, change_fact, NULL, change_thread, NULL};
	const struct trace_totals *whole = trace_totals(trace);
	int error = remake_definitions(trace, writer, &hooks);

	s->writer = writer;
	live_init(&s->live, sizeof(struct alive));
	if (!error)
		error = remake_rows(trace, take_row, s);
	if (!error && !s->begun)
		error = inherit(s);
	if (error == DONE)
		error = 0;
	if (!error)
		error = tell_lefts(s, trace);
	live_fini(&s->live);
	if (!error)
		error = tell_end(s, trace);
	totals->lost_events = s->lost;
	totals->duration_ns = s->last_ns;
	if (s->cut)
		totals->duration_ns = s->to_ns - s->from_ns;
	else if (whole && whole->duration_ns > s->from_ns + s->last_ns)
		totals->duration_ns = whole->duration_ns - s->from_ns;
	return error;
}

int slice_run(int argc, char **argv)
{
	struct slice s = {.to_ns = UINT64_MAX};

	argp_parse(&argp, argc, argv, 0, NULL, &s);
	return remake_run(s.product.trace, s.product.output, make, &s);
}
