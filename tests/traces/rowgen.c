#include "rowgen.h"

#include <assert.h>

uint64_t rowgen_random(struct rowgen *g)
{
	uint64_t x = g->state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t below(struct rowgen *g, uint64_t limit)
{
	return rowgen_random(g) % limit;
}

/* Small numbers are likely, and every magnitude is possible. */
static uint64_t number(struct rowgen *g)
{
	return rowgen_random(g) >> (g->extremes && !below(g, 8) ? below(g, 64) : 48 + below(g, 16));
}

static unsigned random_kind(struct rowgen *g)
{
	static const unsigned kinds[] = {
#define KIND(id, number, symbol, shape, name) TRACE_##id,
		TRACE_CALLS(KIND)
#undef KIND
			TRACE_THREAD_START,
		TRACE_THREAD_EXIT, TRACE_INHERITED, TRACE_LOST, TRACE_MARK};
	static const unsigned usual[] = {TRACE_MALLOC, TRACE_MALLOC, TRACE_FREE, TRACE_FREE,
					 TRACE_REALLOC};

	if (below(g, 4))
		return usual[below(g, sizeof(usual) / sizeof(*usual))];
	return kinds[below(g, sizeof(kinds) / sizeof(*kinds))];
}

static void birth(struct rowgen *g, struct trace_event *event)
{
	event->object = g->objects++;
	g->live[g->n_live < 4096 ? g->n_live++ : below(g, 4096)] = event->object;
	if (g->addresses)
		event->addr = 1 + number(g);
}

/* The old object of a free or realloc: a live one, or foreign. */
static void death(struct rowgen *g, struct trace_event *event)
{
	size_t i;

	if (!g->n_live || !below(g, 50)) {
		event->flags |= TRACE_FOREIGN;
		return;
	}
	i = below(g, g->n_live);
	event->old_object = g->live[i];
	g->live[i] = g->live[--g->n_live];
}

static void random_realloc(struct rowgen *g, struct trace_event *event)
{
	if (below(g, 5))
		death(g, event);
	event->size = 1 + number(g) / 2;
	if (!below(g, 10)) {
		event->flags |= TRACE_FAILED;
		if (event->old_object != TRACE_NONE)
			g->live[g->n_live++] = event->old_object;
		return;
	}
	if ((event->old_object != TRACE_NONE || event->flags & TRACE_FOREIGN)) {
		if (!below(g, 10)) {
			event->size = 0;
			return;
		}
		if (below(g, 2))
			event->flags |= TRACE_MOVED;
	}
	birth(g, event);
}

static void random_call(struct rowgen *g, struct trace_event *event)
{
	if (g->sites && below(g, 10))
		event->site = (uint32_t)below(g, g->sites);
	switch (trace_class(event->kind)) {
	case TRACE_CLASS_ALLOC:
		event->size = number(g);
		if (!below(g, 4))
			event->align = number(g);
		if (!below(g, 30))
			event->flags |= TRACE_FAILED;
		else
			birth(g, event);
		break;
	case TRACE_CLASS_FREE:
		death(g, event);
		if (!below(g, 4))
			event->size = number(g);
		if (g->addresses)
			event->addr = number(g);
		break;
	case TRACE_CLASS_REALLOC:
		random_realloc(g, event);
		break;
	case TRACE_CLASS_MARK:
		event->size = number(g);
		birth(g, event); /* TRACE_INHERITED */
		break;
	}
}

struct trace_event rowgen_next(struct rowgen *g)
{
	struct trace_event event = {.object = TRACE_NONE,
				    .old_object = TRACE_NONE,
				    .site = TRACE_NO_SITE,
				    .kind = (uint8_t)random_kind(g)};

	if (!below(g, 20))
		g->thread = (uint32_t)below(g, g->threads);
	if (!below(g, 3) && g->now_ns < INT64_MAX / 2)
		g->now_ns += number(g) >> (g->extremes ? 20 : 0);
	event.thread = g->thread;
	event.time_ns = g->now_ns;
	if (!below(g, 100))
		event.flags |= TRACE_REPAIRED;
	if (event.kind == TRACE_MARK && !g->marks)
		event.kind = TRACE_THREAD_START;
	if (event.kind == TRACE_MARK)
		event.size = below(g, g->marks);
	else if (event.kind == TRACE_LOST)
		event.size = number(g);
	else if (event.kind < TRACE_MARKS || event.kind == TRACE_INHERITED)
		random_call(g, &event);
	return event;
}

void rowgen_define(const struct rowgen *g, struct trace_writer *w)
{
	struct trace_module module = {"/usr/bin/example", "0123456789abcdef", 0x555555554000,
				      0x12000};
	char name[32];
	int64_t got;

	got = trace_writer_module(w, &module);
	assert(got == 0);
	for (uint32_t i = 0; i < g->threads; i++) {
		struct trace_thread thread = {1000 + i, name, i, TRACE_NONE};

		snprintf(name, sizeof(name), "worker %u", i);
		got = trace_writer_thread(w, &thread);
		assert(got == i);
	}
	for (uint32_t i = 0; i < g->sites; i++) {
		struct trace_site site = {i % 5 ? 0 : TRACE_NO_MODULE, i * 16, 0x1000 + i};

		got = trace_writer_site(w, &site);
		assert(got == i);
	}
	for (uint32_t i = 0; i < g->marks; i++) {
		snprintf(name, sizeof(name), "mark %u", i);
		got = trace_writer_mark(w, name);
		assert(got == i);
	}
}
