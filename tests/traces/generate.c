/*
 * Writes a synthetic trace of any length, the same for the same options: threads that come and go,
 * call sites with sizes and kinds of their own, reallocs, remote frees, inherited objects, marks.
 * With --illegal one row, of a random sort and at a random place, breaks the order; its number is
 * printed.
 */
#include "traces/trace.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPTION_EVENTS = 256,
	OPTION_THREADS,
	OPTION_GENERATIONS,
	OPTION_SEED,
	OPTION_LIVE,
	OPTION_ILLEGAL
};
enum { N_SITES = 509, N_INHERITED = 100, N_MARKS = 10 };

struct options {
	const char *path;
	uint64_t events;
	uint64_t threads;     /* alive at a time */
	uint64_t generations; /* of threads; 0: they live all the time */
	uint64_t seed;
	uint64_t live; /* objects alive at a time, about */
	bool illegal;
};

/* Families of calls that belong together. */
static const struct family {
	uint8_t alloc, free;
} families[] = {
	{TRACE_MALLOC, TRACE_FREE},
	{TRACE_CALLOC, TRACE_FREE},
	{TRACE_POSIX_MEMALIGN, TRACE_FREE},
	{TRACE_NEW, TRACE_DELETE},
	{TRACE_NEW_ARRAY, TRACE_DELETE_ARRAY_SIZED},
	{TRACE_NEW_ALIGNED, TRACE_DELETE_ALIGNED},
};

struct site {
	uint8_t family;
	uint8_t shift; /* sizes are below 2^shift */
	uint8_t align_shift;
};

struct object {
	uint64_t number;
	uint8_t family;
};

/* A place for one thread after the other; who comes next takes over what is alive. */
struct lane {
	uint32_t thread;
	struct object *objects;
	size_t n, room;
};

struct generator {
	struct options options;
	struct trace_writer *writer;
	uint64_t state; /* of the random numbers */
	uint64_t now_ns;
	uint64_t rows;
	uint64_t live;
	uint64_t last_freed;
	struct lane *lanes;
	struct site sites[N_SITES];
};

static uint64_t draw(struct generator *g)
{
	uint64_t x = g->state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t below(struct generator *g, uint64_t limit)
{
	return (uint64_t)((unsigned __int128)draw(g) * limit >> 64);
}

static void check(struct generator *g, int64_t status)
{
	if (status < 0)
		errx(1, "%s", trace_writer_error(g->writer));
}

static struct trace_event row_of(const struct lane *lane, uint8_t kind)
{
	return (struct trace_event){
		.kind = kind,
		.thread = lane->thread,
		.object = TRACE_NONE,
		.old_object = TRACE_NONE,
		.site = TRACE_NO_SITE,
	};
}

static void emit(struct generator *g, struct trace_event row)
{
	if (!below(g, 64)) /* coarse, as a recorder's */
		g->now_ns += below(g, 10000);
	row.time_ns = g->now_ns;
	check(g, trace_writer_event(g->writer, &row));
	g->rows++;
}

static void keep(struct generator *g, struct lane *lane, uint8_t family)
{
	if (lane->n == lane->room) {
		lane->room = lane->room ? 2 * lane->room : 64;
		lane->objects = reallocarray(lane->objects, lane->room, sizeof(*lane->objects));
		if (!lane->objects)
			err(1, "generate");
	}
	lane->objects[lane->n++] = (struct object){trace_writer_objects(g->writer) - 1, family};
	g->live++;
}

/* Mostly one of the youngest. */
static struct object take(struct generator *g, struct lane *lane)
{
	size_t span = below(g, 4) && lane->n > 32 ? 32 : lane->n;
	size_t i = lane->n - 1 - below(g, span);
	struct object object = lane->objects[i];

	lane->objects[i] = lane->objects[--lane->n];
	g->live--;
	return object;
}

/* ---- calls ---- */

static uint64_t size_at(struct generator *g, const struct site *site)
{
	return (below(g, 1u << site->shift) | 1) << (below(g, 1000) ? 0 : 6);
}

static void allocate(struct generator *g, struct lane *lane)
{
	uint32_t number = (uint32_t)(below(g, N_SITES) * below(g, N_SITES) / N_SITES);
	const struct site *site = &g->sites[number];
	struct trace_event row = row_of(lane, families[site->family].alloc);

	row.site = number;
	row.size = size_at(g, site);
	if (row.kind == TRACE_POSIX_MEMALIGN || row.kind == TRACE_NEW_ALIGNED)
		row.align = UINT64_C(1) << site->align_shift;
	if (row.kind == TRACE_MALLOC && !below(g, 10000)) {
		row.flags = TRACE_FAILED;
		row.size = UINT64_MAX / 2;
	} else {
		row.object = trace_writer_objects(g->writer);
	}
	emit(g, row);
	if (row.object != TRACE_NONE)
		keep(g, lane, site->family);
}

static void release(struct generator *g, struct lane *lane, struct lane *owner)
{
	struct object object = take(g, owner);
	struct trace_event row = row_of(lane, families[object.family].free);

	row.old_object = g->last_freed = object.number;
	row.site = (uint32_t)below(g, N_SITES);
	emit(g, row);
}

/* The youngest object, which malloc's family made. */
static void resize(struct generator *g, struct lane *lane)
{
	struct object object = lane->objects[--lane->n];
	struct trace_event row = row_of(lane, TRACE_REALLOC);

	row.old_object = g->last_freed = object.number;
	row.object = trace_writer_objects(g->writer);
	row.site = (uint32_t)below(g, N_SITES);
	row.size = size_at(g, &g->sites[row.site]);
	row.flags = below(g, 3) ? 0 : TRACE_MOVED;
	g->live--;
	emit(g, row);
	keep(g, lane, 0);
}

static void call(struct generator *g, struct lane *lane)
{
	struct lane *other = &g->lanes[below(g, g->options.threads)];
	uint64_t dice = below(g, 100), births = g->live < g->options.live ? 52 : 44;

	if (dice >= births && dice < 94 && lane->n)
		release(g, lane, lane);
	else if (dice >= 94 && dice < 97 && other->n)
		release(g, lane, other);
	else if (dice >= 97 && lane->n && lane->objects[lane->n - 1].family == 0)
		resize(g, lane);
	else
		allocate(g, lane);
}

/* ---- the trace ---- */

static void start_thread(struct generator *g, struct lane *lane, bool first)
{
	struct trace_thread thread = {.exit_ns = TRACE_NONE, .start_ns = g->now_ns};
	char name[32];
	int64_t number;

	thread.name = first ? "main" : name;
	if (!first)
		snprintf(name, sizeof(name), "worker %td", lane - g->lanes);
	thread.tid = 1000 + g->rows;
	number = trace_writer_thread(g->writer, &thread);
	check(g, number);
	lane->thread = (uint32_t)number;
	emit(g, row_of(lane, TRACE_THREAD_START));
}

static void exit_thread(struct generator *g, struct lane *lane)
{
	emit(g, row_of(lane, TRACE_THREAD_EXIT));
}

static void define(struct generator *g)
{
	static const char *const paths[] = {"/usr/bin/synthetic", "/usr/lib/libexample.so.1",
					    "/usr/lib/libc.so.6"};

	check(g, trace_writer_fact(g->writer, "program", paths[0]));
	check(g, trace_writer_fact(g->writer, "command", "synthetic --run"));
	check(g, trace_writer_fact(g->writer, "pid", "1000"));
	check(g, trace_writer_fact(g->writer, "backend", "synthetic"));
	for (uint64_t i = 0; i < 3; i++) {
		struct trace_module module = {paths[i], i ? "00112233" : "", (i + 1) << 40,
					      1 << 20};

		check(g, trace_writer_module(g->writer, &module));
	}
	for (uint32_t i = 0; i < N_SITES; i++) {
		struct trace_site site = {i % 3, 64 + i * 16 % 4096, 0x1000 + i * 37};

		check(g, trace_writer_site(g->writer, &site));
		g->sites[i] = (struct site){
			.family = (uint8_t)(i % 3 ? 0
						  : below(g, sizeof(families) / sizeof(*families))),
			.shift = (uint8_t)(3 + below(g, 9)),
			.align_shift = (uint8_t)(4 + below(g, 6)),
		};
	}
}

static void inherit(struct generator *g)
{
	for (int i = 0; i < N_INHERITED; i++) {
		struct trace_event row = row_of(&g->lanes[0], TRACE_INHERITED);

		row.object = trace_writer_objects(g->writer);
		row.size = 1 + below(g, 4096);
		emit(g, row);
		keep(g, &g->lanes[0], 0);
	}
}

static void mark(struct generator *g, uint64_t event)
{
	struct trace_event row = row_of(&g->lanes[0], TRACE_MARK);
	char text[32];
	int64_t number;

	snprintf(text, sizeof(text), "event %" PRIu64, event);
	number = trace_writer_mark(g->writer, text);
	check(g, number);
	row.size = (uint64_t)number;
	emit(g, row);
}

/* One row that no program can have made. Tells its number. */
static void break_order(struct generator *g)
{
	struct lane *lane = &g->lanes[0];
	struct trace_event row = row_of(lane, TRACE_FREE);

	switch (below(g, 3)) {
	case 0:
		row.old_object = g->last_freed;
		break;
	case 1:
		row.kind = TRACE_THREAD_START;
		break;
	case 2:
		exit_thread(g, lane);
		row.kind = TRACE_MALLOC;
		row.size = 1;
		row.object = trace_writer_objects(g->writer);
		break;
	}
	printf("%" PRIu64 "\n", g->rows);
	emit(g, row);
}

static void generate(struct generator *g)
{
	const struct options *o = &g->options;
	uint64_t marked = o->events / N_MARKS + 1;
	uint64_t renewals = o->generations * o->threads;
	uint64_t renewed = renewals ? o->events / renewals + 1 : UINT64_MAX;
	uint64_t broken = o->illegal ? o->events / 4 + below(g, o->events / 2) : UINT64_MAX;
	struct lane *lane = &g->lanes[0];

	define(g);
	start_thread(g, lane, true);
	inherit(g);
	for (uint64_t i = 1; i < o->threads; i++)
		start_thread(g, &g->lanes[i], false);
	for (uint64_t event = 0; event < o->events; event++) {
		if (event % marked == marked - 1)
			mark(g, event);
		if (event % renewed == renewed - 1 && o->threads > 1) {
			struct lane *renew = &g->lanes[1 + below(g, o->threads - 1)];

			exit_thread(g, renew);
			start_thread(g, renew, false);
		}
		if (!below(g, 16))
			lane = &g->lanes[below(g, o->threads)];
		if (event == broken)
			break_order(g);
		call(g, lane);
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case OPTION_EVENTS:
		o->events = strtoull(arg, NULL, 10);
		return 0;
	case OPTION_THREADS:
		o->threads = strtoull(arg, NULL, 10);
		return 0;
	case OPTION_GENERATIONS:
		o->generations = strtoull(arg, NULL, 10);
		return 0;
	case OPTION_SEED:
		o->seed = strtoull(arg, NULL, 10);
		return 0;
	case OPTION_LIVE:
		o->live = strtoull(arg, NULL, 10);
		return 0;
	case OPTION_ILLEGAL:
		o->illegal = true;
		return 0;
	case ARGP_KEY_ARG:
		o->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->path || !o->threads || o->events < 100)
			argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option table[] = {
		{"events", OPTION_EVENTS, "N", 0, "Calls to write"},
		{"threads", OPTION_THREADS, "N", 0, "Threads alive at a time"},
		{"generations", OPTION_GENERATIONS, "N", 0,
		 "Times that every thread is replaced by a new one"},
		{"seed", OPTION_SEED, "N", 0, "Seed of the random numbers"},
		{"live", OPTION_LIVE, "N", 0, "Objects alive at a time"},
		{"illegal", OPTION_ILLEGAL, NULL, 0, "Break the order and print the row's number"},
		{0},
	};
	static const struct argp argp = {table, parse, "TRACE", "Write a synthetic trace."};
	static struct generator g = {.options = {.events = 1000000,
						 .threads = 4,
						 .generations = 8,
						 .seed = 1,
						 .live = 20000}};
	struct trace_totals totals = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &g.options);
	g.state = g.options.seed;
	g.lanes = calloc(g.options.threads, sizeof(*g.lanes));
	if (!g.lanes)
		err(1, "generate");
	check(&g, trace_writer_open(&g.writer, g.options.path));
	generate(&g);
	totals.duration_ns = g.now_ns;
	if (trace_writer_close(g.writer, &totals))
		errx(1, "%s: cannot be written", g.options.path);
	for (uint64_t i = 0; i < g.options.threads; i++)
		free(g.lanes[i].objects);
	free(g.lanes);
	return 0;
}
