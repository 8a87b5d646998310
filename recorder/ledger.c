#include "ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int ledger_init(struct ledger *l, struct trace_writer *writer, uint64_t start_clock)
{
	*l = (struct ledger){.writer = writer, .start_clock = start_clock};
	return objects_init(&l->objects);
}

void ledger_fini(struct ledger *l)
{
	objects_fini(&l->objects);
}

int ledger_write_pages(struct ledger *l, const struct trace_event *row)
{
	struct trace_pages pages = *l->pages;

	if (row->object == TRACE_NONE || row->size < TRACE_LARGE_BYTES)
		pages.born = TRACE_NONE;
	if (row->old_object == TRACE_NONE || row->flags & TRACE_FAILED)
		pages.died = TRACE_NONE;
	return trace_writer_event_pages(l->writer, row, &pages);
}

enum ledger_verdict ledger_resize(struct ledger *l, uint64_t addr, struct ledger_old *old,
				  bool force)
{
	struct object object;

	if (!objects_take(&l->objects, addr, &object)) {
		if (!force)
			return LEDGER_UNFIT;
		*old = (struct ledger_old){.addr = addr, .number = TRACE_NONE};
		return LEDGER_TAKEN;
	}
	*old = (struct ledger_old){addr, object.number, object.size, object.align};
	l->counts.live_bytes -= object.size;
	return LEDGER_TAKEN;
}

void ledger_keep(struct ledger *l, const struct ledger_old *old)
{
	const struct object object = {old->number, old->size, old->align};
	int error;

	if (!old->addr || old->number == TRACE_NONE)
		return;
	error = objects_put(&l->objects, old->addr, &object);
	if (!error)
		ledger_lives(l, old->size);
	else if (error != -EEXIST)
		l->error = error;
}

enum ledger_verdict ledger_resized(struct ledger *l, struct trace_event *row, uint64_t clock,
				   const struct ledger_old *old, bool force)
{
	bool foreign = old->addr && old->number == TRACE_NONE;
	uint64_t addr = row->addr;

	row->object = TRACE_NONE;
	row->old_object = old->addr ? old->number : TRACE_NONE;
	if (addr && !ledger_enter(l, row, force))
		return LEDGER_UNFIT;
	/* Only a realloc of a block to size 0 may return NULL without having failed. */
	if (!addr && (!old->addr || row->size))
		row->flags |= TRACE_FAILED;
	if (row->flags & TRACE_FAILED)
		ledger_keep(l, old);
	row->flags |= foreign ? TRACE_FOREIGN : 0;
	l->counts.foreign += foreign;
	if (old->addr && addr && addr != old->addr)
		row->flags |= TRACE_MOVED;
	ledger_write(l, row, clock);
	return LEDGER_TAKEN;
}

void ledger_mark(struct ledger *l, enum trace_kind kind, uint64_t clock, uint32_t thread,
		 uint64_t size)
{
	struct trace_event row = {
		.time_ns = ledger_time(l, clock),
		.size = size,
		.object = TRACE_NONE,
		.old_object = TRACE_NONE,
		.thread = thread,
		.site = TRACE_NO_SITE,
		.kind = (uint8_t)kind,
	};

	if (!l->error)
		l->error = trace_writer_event(l->writer, &row);
}

int ledger_inherit(struct ledger *l, const struct objects *objects, uint32_t thread)
{
	struct object object;
	uint64_t cursor = 0, addr;

	while (!l->error && objects_next(objects, &cursor, &addr, &object)) {
		struct trace_event row = {
			.time_ns = l->row_ns,
			.size = object.size,
			.align = object.align,
			.old_object = TRACE_NONE,
			.addr = addr,
			.thread = thread,
			.site = TRACE_NO_SITE,
			.kind = TRACE_INHERITED,
		};

		ledger_enter(l, &row, true);
		row.addr = 0;
		if (!l->error)
			l->error = trace_writer_event(l->writer, &row);
	}
	return l->error;
}

static const char *text_of(int error)
{
	return error == LEDGER_SPOILT
		       ? "the program has written over the memory that it shares with hakrec"
		       : strerror(-error);
}

char *ledger_end(struct ledger *l, const char *path, const char *end)
{
	struct trace_totals totals = {
		.lost_events = l->counts.lost,
		.late_events = l->counts.late,
		.repaired_events = l->counts.repaired,
		.duration_ns = l->last_ns,
	};
	const char *why = NULL;
	bool unsaid; /* what failed is not the writer */
	char *message = NULL;
	int error;

	error = trace_writer_flush(l->writer);
	if (!l->error)
		l->error = error;
	if (trace_writer_full(l->writer))
		end = "max-size";
	if (l->error == LEDGER_SPOILT)
		why = "";
	else if (l->error && !trace_writer_full(l->writer))
		why = trace_writer_error(l->writer);
	if (end)
		trace_writer_fact(l->writer, "end", end);
	l->counts.cut = l->error != 0;
	l->counts.events = trace_writer_calls(l->writer);
	if (why && *why)
		message = strdup(why);
	unsaid = why && !*why;
	/* The text is the writer's. */
	error = trace_writer_close(l->writer, why ? NULL : &totals);
	l->writer = NULL;
	if (unsaid)
		error = l->error;
	if (error && !message && asprintf(&message, "%s: %s", path, text_of(error)) < 0)
		message = NULL;
	return message;
}
