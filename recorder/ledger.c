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
static inline uint64_t time_of(struct ledger *l, uint64_t clock)
{
	uint64_t ns = clock > l->start_clock ? clock - l->start_clock : 0;

	if (__builtin_expect(ns < l->last_ns, 0)) {
		l->counts.late++;
		return l->last_ns;
	}
	l->last_ns = ns;
	return ns;
}

static inline void write_row(struct ledger *l, const struct trace_event *row)
{
	if (__builtin_expect(!l->error, 1))
		l->error = trace_writer_event(l->writer, row);
}

static inline void write_call(struct ledger *l, struct trace_event *row, uint64_t clock)
{
	l->counts.events++;
	row->time_ns = time_of(l, clock);
	row->addr = 0;
	write_row(l, row);
}

static inline void grow_live(struct ledger *l, uint64_t bytes)
{
	l->counts.live_bytes += bytes;
	if (l->counts.live_bytes > l->counts.peak_live_bytes)
		l->counts.peak_live_bytes = l->counts.live_bytes;
}

/* The place for a block that is born; NULL: another is alive there. */
static inline struct object *cradle(struct ledger *l, uint64_t addr, bool force)
{
	struct object *place;

	if (__builtin_expect(objects_full(&l->objects), 0) && objects_grow(&l->objects))
		l->error = -ENOMEM;
	place = objects_place(&l->objects, addr);
	return __builtin_expect(!place->addr || force, 1) ? place : NULL;
}

/* Enters a block at a place, which may still hold one whose death was not seen. */
static inline uint64_t enter(struct ledger *l, struct object *place, const struct trace_event *row)
{
	uint64_t number = l->next_object++;

	if (__builtin_expect(place->addr != 0, 0)) {
		l->counts.unseen_deaths++;
		l->counts.live_bytes -= place->size;
	} else {
		l->objects.alive++;
	}
	*place = (struct object){row->addr, number, row->size, row->align};
	grow_live(l, row->size);
	return number;
}

enum ledger_verdict ledger_birth(struct ledger *l, struct trace_event *row, uint64_t clock,
				 bool force)
{
	row->object = row->old_object = TRACE_NONE;
	if (__builtin_expect(!(row->flags & TRACE_FAILED), 1)) {
		struct object *place = cradle(l, row->addr, force);

		if (!place)
			return LEDGER_UNFIT;
		row->object = enter(l, place, row);
	}
	write_call(l, row, clock);
	return LEDGER_TAKEN;
}

enum ledger_verdict ledger_death(struct ledger *l, struct trace_event *row, uint64_t clock,
				 bool force)
{
	struct object *place = objects_place(&l->objects, row->addr);

	row->object = row->old_object = TRACE_NONE;
	if (__builtin_expect(place->addr != 0, 1)) {
		row->old_object = place->number;
		l->counts.live_bytes -= place->size;
		objects_remove(&l->objects, place);
	} else {
		if (!force)
			return LEDGER_UNFIT;
		row->flags |= TRACE_FOREIGN;
		l->counts.foreign++;
	}
	write_call(l, row, clock);
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
	place = cradle(l, old->addr, false);
	if (!place)
		return;
	*place = (struct object){old->addr, old->number, old->size, old->align};
	l->objects.alive++;
	grow_live(l, old->size);
}

enum ledger_verdict ledger_resized(struct ledger *l, struct trace_event *row, uint64_t clock,
				   const struct ledger_old *old, bool force)
{
	bool foreign = old->addr && old->number == TRACE_NONE;
	struct object *place = row->addr ? cradle(l, row->addr, force) : NULL;

	if (row->addr && !place)
		return LEDGER_UNFIT;
	/* Only a realloc of a block to size 0 may return NULL without having failed. */
	if (!row->addr && (!old->addr || row->size))
		row->flags |= TRACE_FAILED;
	row->object = TRACE_NONE;
	row->old_object = old->addr ? old->number : TRACE_NONE;
	row->flags |= foreign ? TRACE_FOREIGN : 0;
	l->counts.foreign += foreign;
	if (old->addr && row->addr && row->addr != old->addr)
		row->flags |= TRACE_MOVED;
	if (row->flags & TRACE_FAILED)
		revive(l, old);
	else if (place)
		row->object = enter(l, place, row);
	write_call(l, row, clock);
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
			.object = l->next_object,
			.old_object = TRACE_NONE,
			.thread = thread,
			.site = TRACE_NO_SITE,
			.kind = TRACE_INHERITED,
		};
		struct object *place;

		if (!block->addr)
			continue;
		place = cradle(l, block->addr, true);
		*place = (struct object){block->addr, row.object, block->size, block->align};
		l->objects.alive++;
		l->next_object++;
		grow_live(l, block->size);
		write_row(l, &row);
	}
	return l->error;
}
