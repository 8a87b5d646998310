#include "randomrows.h"

#include "traces/trace.h"

#include <err.h>
#include <stdlib.h>

enum { SITES = 40, FIRST_PID = 1000, STEP_NS = 10000 };

/* Calls that belong together: what one gives the other takes. */
static const struct family {
	uint8_t alloc, free;
	bool aligned;
} families[] = {
	{TRACE_MALLOC, TRACE_FREE, false},
	{TRACE_CALLOC, TRACE_FREE, false},
	{TRACE_VALLOC, TRACE_FREE, false},
	{TRACE_PVALLOC, TRACE_FREE, false},
	{TRACE_MEMALIGN, TRACE_FREE, true},
	{TRACE_POSIX_MEMALIGN, TRACE_FREE, true},
	{TRACE_ALIGNED_ALLOC, TRACE_FREE, true},
	{TRACE_NEW, TRACE_DELETE, false},
	{TRACE_NEW, TRACE_DELETE_SIZED, false},
	{TRACE_NEW_ARRAY, TRACE_DELETE_ARRAY, false},
	{TRACE_NEW_ARRAY, TRACE_DELETE_ARRAY_SIZED, false},
	{TRACE_NEW_NOTHROW, TRACE_DELETE_NOTHROW, false},
	{TRACE_NEW_ARRAY_NOTHROW, TRACE_DELETE_ARRAY_NOTHROW, false},
	{TRACE_NEW_ALIGNED, TRACE_DELETE_ALIGNED, true},
	{TRACE_NEW_ARRAY_ALIGNED, TRACE_DELETE_ARRAY_ALIGNED, true},
	{TRACE_NEW_ALIGNED, TRACE_DELETE_SIZED_ALIGNED, true},
	{TRACE_NEW_ARRAY_ALIGNED, TRACE_DELETE_ARRAY_SIZED_ALIGNED, true},
	{TRACE_NEW_ALIGNED_NOTHROW, TRACE_DELETE_ALIGNED_NOTHROW, true},
	{TRACE_NEW_ARRAY_ALIGNED_NOTHROW, TRACE_DELETE_ARRAY_ALIGNED_NOTHROW, true},
};

struct object {
	uint64_t number;
	uint64_t size;
	uint8_t free_kind;
};

struct maker {
	uint64_t random;
	uint64_t now_ns;
	struct trace_writer *writer;
	uint32_t first, past; /* threads [first, past) have started; those before have ended */
	uint32_t threads;
	struct object *objects;
	uint32_t alive;
};

uint64_t randomrows_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t below(struct maker *m, uint64_t limit)
{
	return randomrows_next(&m->random) % limit;
}

uint64_t randomrows_pages(uint64_t object, uint64_t size)
{
	uint64_t random = object;

	if (size < TRACE_LARGE_BYTES || !(randomrows_next(&random) % 4))
		return TRACE_NONE;
	return randomrows_next(&random) % (size / 4096 + 3);
}

/* old: what dies, NULL: nothing. */
static void put(struct maker *m, struct trace_event event, const struct object *old)
{
	struct trace_pages pages = {TRACE_NONE, TRACE_NONE};

	if (old)
		pages.died = randomrows_pages(old->number, old->size);
	m->now_ns += 100;
	event.time_ns = m->now_ns / STEP_NS * STEP_NS;
	if (trace_writer_event_pages(m->writer, &event, &pages))
		errx(1, "%s", trace_writer_error(m->writer));
}

static struct trace_event blank(uint8_t kind, uint32_t thread)
{
	return (struct trace_event){.kind = kind,
				    .thread = thread,
				    .site = TRACE_NO_SITE,
				    .object = TRACE_NONE,
				    .old_object = TRACE_NONE};
}

/* The first thread, or one of those that run. */
static uint32_t someone(struct maker *m)
{
	uint32_t running = m->past - m->first;

	return running && below(m, 4) ? m->first + (uint32_t)below(m, running) : 0;
}

static uint64_t size(struct maker *m)
{
	return below(m, 200) ? below(m, 1ull << (1 + below(m, 12))) : below(m, 300000);
}

static void make_birth(struct maker *m, uint32_t thread)
{
	const struct family *family = &families[below(m, sizeof(families) / sizeof(*families))];
	struct trace_event event = blank(family->alloc, thread);

	event.size = 1 + size(m);
	event.align = family->aligned ? 16ull << below(m, 6) : 0;
	event.object = trace_writer_objects(m->writer);
	event.site = (uint32_t)below(m, SITES + 1);
	event.site = event.site == SITES ? TRACE_NO_SITE : event.site;
	if (event.kind == TRACE_ALIGNED_ALLOC)
		event.size = (event.size + event.align - 1) / event.align * event.align;
	put(m, event, NULL);
	m->objects[m->alive++] = (struct object){event.object, event.size, family->free};
}

static void make_death(struct maker *m, uint32_t thread)
{
	uint32_t i = (uint32_t)below(m, m->alive);
	struct trace_event event = blank(m->objects[i].free_kind, thread);

	event.old_object = m->objects[i].number;
	put(m, event, &m->objects[i]);
	m->objects[i] = m->objects[--m->alive];
}

static void make_change(struct maker *m, uint32_t thread)
{
	uint32_t i = (uint32_t)below(m, m->alive);
	struct trace_event event = blank(below(m, 4) ? TRACE_REALLOC : TRACE_REALLOCARRAY, thread);

	if (m->objects[i].free_kind != TRACE_FREE)
		return;
	event.old_object = m->objects[i].number;
	if (!below(m, 10)) {
		event.kind = TRACE_REALLOC; /* to nothing */
		put(m, event, &m->objects[i]);
		m->objects[i] = m->objects[--m->alive];
		return;
	}
	event.size = 1 + size(m);
	event.object = trace_writer_objects(m->writer);
	event.flags = TRACE_MOVED;
	put(m, event, &m->objects[i]);
	m->objects[i].number = event.object;
	m->objects[i].size = event.size;
}

/* Failed calls, foreign frees, realloc of NULL, what the recorder lost. */
static void make_oddity(struct maker *m, uint32_t thread)
{
	static const uint8_t failing[] = {TRACE_MALLOC, TRACE_CALLOC, TRACE_POSIX_MEMALIGN,
					  TRACE_NEW_NOTHROW};
	struct trace_event event;

	switch (below(m, 4)) {
	case 0:
		event = blank(failing[below(m, 4)], thread);
		event.size = UINT64_MAX / 2 - below(m, 1000);
		event.align = event.kind == TRACE_POSIX_MEMALIGN ? 64 : 0;
		event.flags = TRACE_FAILED;
		break;
	case 1:
		event = blank(TRACE_FREE, thread);
		event.flags = TRACE_FOREIGN;
		break;
	case 2:
		event = blank(TRACE_REALLOC, thread);
		event.size = 1 + size(m);
		event.object = trace_writer_objects(m->writer);
		m->objects[m->alive++] = (struct object){event.object, event.size, TRACE_FREE};
		break;
	default:
		event = blank(TRACE_REALLOC, thread);
		event.size = UINT64_MAX / 2;
		event.old_object = m->alive ? m->objects[below(m, m->alive)].number : TRACE_NONE;
		event.flags = TRACE_FAILED;
	}
	put(m, event, NULL);
}

static void make_thread_change(struct maker *m)
{
	if (m->past < m->threads && (m->past - m->first < 3 || below(m, 2)))
		put(m, blank(TRACE_THREAD_START, m->past++), NULL);
	else if (m->past - m->first > 1)
		put(m, blank(TRACE_THREAD_EXIT, m->first++), NULL);
}

static void define(struct maker *m)
{
	const struct trace_module module = {"/usr/bin/program", "00ff", 0x400000, 0x10000};
	char pid[16];

	snprintf(pid, sizeof(pid), "%u", FIRST_PID);
	trace_writer_fact(m->writer, "pid", pid);
	trace_writer_module(m->writer, &module);
	for (uint32_t i = 0; i < SITES; i++)
		trace_writer_site(m->writer, &(struct trace_site){0, i, 16 * i});
	for (uint32_t i = 0; i < m->threads; i++)
		trace_writer_thread(m->writer,
				    &(struct trace_thread){FIRST_PID + i, "thread", 0, TRACE_NONE});
}

static void inherit(struct maker *m)
{
	for (uint64_t n = below(m, 20); n; n--) {
		struct trace_event event = blank(TRACE_INHERITED, 0);

		event.size = size(m);
		event.align = below(m, 4) ? 0 : 64;
		event.object = trace_writer_objects(m->writer);
		put(m, event, NULL);
		m->objects[m->alive++] = (struct object){event.object, event.size, TRACE_FREE};
	}
}

static void leave(struct maker *m)
{
	for (uint32_t i = 0; i < m->alive; i++) {
		const struct object *object = &m->objects[i];
		uint64_t pages = randomrows_pages(object->number, object->size);

		if (pages != TRACE_NONE && trace_writer_left(m->writer, object->number, pages))
			errx(1, "%s", trace_writer_error(m->writer));
	}
}

void randomrows_write(const struct randomrows *how, const char *path)
{
	struct maker m = {.random = how->seed, .threads = how->threads, .first = 1, .past = 1};

	m.objects = calloc(how->rows + 100, sizeof(*m.objects));
	if (!m.objects || trace_writer_open(&m.writer, path))
		errx(1, "%s: cannot be written", path);
	define(&m);
	inherit(&m);
	for (uint32_t i = 0; i < how->rows; i++) {
		uint32_t thread = someone(&m);

		if (!below(&m, how->rows / (2 * how->threads) + 2))
			make_thread_change(&m);
		else if (!below(&m, 50))
			make_oddity(&m, thread);
		else if (m.alive && !below(&m, 8))
			make_change(&m, thread);
		else if (m.alive && below(&m, 2 * how->live) < m.alive)
			make_death(&m, thread);
		else
			make_birth(&m, thread);
	}
	leave(&m);
	if (trace_writer_close(m.writer, &(struct trace_totals){0}))
		errx(1, "%s: cannot be closed", path);
	free(m.objects);
}
