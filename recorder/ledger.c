#include "ledger.h"

#include <errno.h>

int ledger_init(struct ledger *l, struct trace_writer *writer, uint64_t start_clock)
{
	*l = (struct ledger){.writer = writer, .start_clock = start_clock};
	return objects_init(&l->objects);
}

void ledger_fini(struct ledger *l)
{
	objects_fini(&l->objects);
}

/* Rows are in the order of their clocks, but for those that came too late for it. */
static uint64_t time_of(struct ledger *l, uint64_t clock)
{
	uint64_t ns = clock > l->start_clock ? clock - l->start_clock : 0;

	if (ns < l->last_ns) {
		l->counts.late++;
		return l->last_ns;
	}
	l->last_ns = ns;
	return ns;
}

static void write_row(struct ledger *l, const struct trace_event *row)
{
	if (!l->error)
		l->error = trace_writer_event(l->writer, row);
}

static struct trace_event row_of(struct ledger *l, const struct ledger_call *call)
{
	l->counts.events++;
	return (struct trace_event){
		.time_ns = time_of(l, call->clock),
		.size = call->size,
		.align = call->align,
		.object = TRACE_NONE,
		.old_object = TRACE_NONE,
		.thread = call->thread,
		.site = call->site,
		.kind = call->kind,
		.flags = call->failed ? TRACE_FAILED : 0,
	};
}

static void grow_live(struct ledger *l, uint64_t bytes)
{
	l->counts.live_bytes += bytes;
	if (l->counts.live_bytes > l->counts.peak_live_bytes)
		l->counts.peak_live_bytes = l->counts.live_bytes;
}

/* Enters a block at a place of the table, which may still hold one whose death was not seen. */
static uint64_t enter(struct ledger *l, struct object *place, const struct ledger_call *call)
{
	uint64_t number = trace_writer_objects(l->writer);

	if (place->addr) {
		l->counts.unseen_deaths++;
		l->counts.live_bytes -= place->size;
	} else {
		objects_added(&l->objects);
	}
	*place = (struct object){call->addr, number, call->size, call->align};
	grow_live(l, call->size);
	return number;
}

enum ledger_verdict ledger_birth(struct ledger *l, const struct ledger_call *call, bool force)
{
	struct object *place = NULL;
	struct trace_event row;

	if (!call->failed) {
		if (objects_reserve(&l->objects))
			l->error = -ENOMEM;
		place = objects_place(&l->objects, call->addr);
		if (place->addr && !force)
			return LEDGER_UNFIT;
	}
	row = row_of(l, call);
	if (place)
		row.object = enter(l, place, call);
	write_row(l, &row);
	return LEDGER_TAKEN;
}

enum ledger_verdict ledger_death(struct ledger *l, const struct ledger_call *call, bool force)
{
	struct object *place = objects_place(&l->objects, call->addr);
	struct trace_event row;

	if (!place->addr && !force)
		return LEDGER_UNFIT;
	row = row_of(l, call);
	if (place->addr) {
		row.old_object = place->number;
		l->counts.live_bytes -= place->size;
		objects_remove(&l->objects, place);
	} else {
		row.flags |= TRACE_FOREIGN;
		l->counts.foreign++;
	}
	write_row(l, &row);
	return LEDGER_TAKEN;
}

enum ledger_verdict ledger_resize(struct ledger *l, uint64_t addr, struct ledger_old *old,
				  bool force)
{
	struct object *place = objects_place(&l->objects, addr);

	if (!place->addr) {
		if (!force)
			return LEDGER_UNFIT;
		*old = (struct ledger_old){.addr = addr, .number = TRACE_NONE};
		return LEDGER_TAKEN;
	}
	*old = (struct ledger_old){addr, place->number, place->size, place->align};
	l->counts.live_bytes -= place->size;
	objects_remove(&l->objects, place);
	return LEDGER_TAKEN;
}

/* The realloc failed: the block lives on. */
static void revive(struct ledger *l, const struct ledger_old *old)
{
	struct object *place;

	if (!old->addr || old->number == TRACE_NONE)
		return;
	if (objects_reserve(&l->objects))
		l->error = -ENOMEM;
	place = objects_place(&l->objects, old->addr);
	if (place->addr)
		return;
	*place = (struct object){old->addr, old->number, old->size, old->align};
	objects_added(&l->objects);
	grow_live(l, old->size);
}

enum ledger_verdict ledger_resized(struct ledger *l, const struct ledger_call *call,
				   const struct ledger_old *old, bool force)
{
	struct object *place = NULL;
	struct trace_event row;

	if (call->addr) {
		if (objects_reserve(&l->objects))
			l->error = -ENOMEM;
		place = objects_place(&l->objects, call->addr);
		if (place->addr && !force)
			return LEDGER_UNFIT;
	}
	row = row_of(l, call);
	row.old_object = old->addr ? old->number : TRACE_NONE;
	if (old->addr && old->number == TRACE_NONE) {
		row.flags |= TRACE_FOREIGN;
		l->counts.foreign++;
	}
	if (old->addr && call->addr && call->addr != old->addr)
		row.flags |= TRACE_MOVED;
	if (call->failed)
		revive(l, old);
	if (place)
		row.object = enter(l, place, call);
	write_row(l, &row);
	return LEDGER_TAKEN;
}

void ledger_mark(struct ledger *l, enum trace_kind kind, uint64_t clock, uint32_t thread,
		 uint64_t size)
{
	struct trace_event row = {
		.time_ns = time_of(l, clock),
		.size = size,
		.object = TRACE_NONE,
		.old_object = TRACE_NONE,
		.thread = thread,
		.site = TRACE_NO_SITE,
		.kind = (uint8_t)kind,
	};

	write_row(l, &row);
}

int ledger_inherit(struct ledger *l, const struct objects *objects, uint32_t thread)
{
	for (size_t i = 0; i <= objects->mask; i++) {
		const struct object *block = objects->places + i;
		struct trace_event row = {
			.time_ns = l->last_ns,
			.size = block->size,
			.align = block->align,
			.object = trace_writer_objects(l->writer),
			.old_object = TRACE_NONE,
			.thread = thread,
			.site = TRACE_NO_SITE,
			.kind = TRACE_INHERITED,
		};
		struct object *place;

		if (!block->addr)
			continue;
		if (objects_reserve(&l->objects))
			return -ENOMEM;
		place = objects_place(&l->objects, block->addr);
		*place = (struct object){block->addr, row.object, block->size, block->align};
		objects_added(&l->objects);
		grow_live(l, block->size);
		write_row(l, &row);
	}
	return l->error;
}
