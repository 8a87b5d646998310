#include "advice.h"

#include "live.h"

#include <errno.h>
#include <stdlib.h>

#define PASSED_MOST 4  /* sites that a line remembers */
#define GROWTHS     16 /* fewer are not worth a rule, nor are fewer bytes copied */
#define COPIED      (UINT64_C(64) << 10)
#define ROOM_LEAST  128
#define ROOM_MOST   (UINT64_C(1) << 30)

/* What every living object carries. */
struct line {
	uint32_t passed[PASSED_MOST]; /* sites */
	uint32_t n_passed;
	uint32_t site; /* that made this block */
	uint64_t reached;
};

struct reading {
	struct live live;
	struct advice *advice;
	size_t n_sites;
};

static unsigned bin(uint64_t size)
{
	return size ? 63 - (unsigned)__builtin_clzll(size) : 0;
}

/* The line passes a site that it has not passed before. */
static void pass(struct reading *r, struct line *line, uint32_t site)
{
	struct advice *advice;

	for (uint32_t i = 0; i < line->n_passed; i++)
		if (line->passed[i] == site)
			return;
	if (site >= r->n_sites || line->n_passed == PASSED_MOST)
		return;
	line->passed[line->n_passed++] = site;
	advice = r->advice + site;
	advice->lines++;
	advice->reached[bin(line->reached)]++;
	if (line->reached > advice->reached_most)
		advice->reached_most = line->reached;
}

static void grow(struct reading *r, struct line *line, uint64_t old_size, uint64_t size)
{
	for (uint32_t i = 0; i < line->n_passed; i++) {
		struct advice *advice = r->advice + line->passed[i];

		advice->growths++;
		advice->copied_bytes += old_size;
		if (size <= line->reached)
			continue;
		advice->reached[bin(line->reached)]--;
		advice->reached[bin(size)]++;
		if (size > advice->reached_most)
			advice->reached_most = size;
	}
	if (size > line->reached)
		line->reached = size;
}

static void block_made(struct advice *advice, uint64_t size)
{
	if (size <= ADVICE_LARGE)
		return;
	if (++advice->large_live > advice->large_peak) {
		advice->large_peak = advice->large_live;
		return;
	}
	advice->large_reuses++;
	advice->large_reused_bytes += size;
}

static void block_gone(struct advice *advice, const struct live_object *block, uint32_t thread)
{
	if (block->size > ADVICE_LARGE) {
		advice->large_live--;
		return;
	}
	advice->small_frees++;
	advice->small_remotes += block->thread != thread;
}

static int read_row(void *context, const struct trace_event *row)
{
	struct reading *r = context;
	struct live_object *old = NULL;
	struct line line = {.site = TRACE_NO_SITE};
	int error;

	if (row->old_object != TRACE_NONE && !(row->flags & TRACE_FAILED))
		old = live_find(&r->live, row->old_object);
	if (old) {
		line = *(struct line *)live_payload(old);
		if (line.site < r->n_sites)
			block_gone(r->advice + line.site, old, row->thread);
		if (row->object != TRACE_NONE) {
			uint64_t old_size = old->size;

			pass(r, &line, row->site);
			if (row->size > old_size)
				grow(r, &line, old_size, row->size);
		}
	}
	error = live_apply(&r->live, row, NULL);
	if (error || row->object == TRACE_NONE)
		return error;
	if (!old) {
		line.reached = row->size;
		pass(r, &line, row->site);
	}
	line.site = row->kind == TRACE_INHERITED ? TRACE_NO_SITE : row->site;
	if (line.site < r->n_sites)
		block_made(r->advice + line.site, row->size);
	*(struct line *)live_payload(live_find(&r->live, row->object)) = line;
	return 0;
}

int advice_read(struct advice **advice, struct exporter_job *job)
{
	const struct trace_site *sites;
	struct reading r = {.n_sites = trace_sites(job->trace, &sites)};
	int error;

	*advice = r.advice = calloc(r.n_sites + 1, sizeof(*r.advice));
	if (!r.advice)
		return -ENOMEM;
	live_init(&r.live, sizeof(struct line));
	error = exporter_rows(job, read_row, &r);
	live_fini(&r.live);
	return error;
}

uint64_t advice_room(const struct advice *advice)
{
	uint64_t room, lines = 0;
	unsigned half = 0;

	if (advice->growths < GROWTHS || advice->growths < advice->lines ||
	    advice->copied_bytes < COPIED)
		return 0;
	while (half < 63 && 2 * (lines += advice->reached[half]) < advice->lines)
		half++;
	room = half < 63 ? UINT64_C(2) << half : ROOM_MOST;
	if (room > advice->reached_most)
		room = advice->reached_most;
	return room > ROOM_MOST ? ROOM_MOST : room < ROOM_LEAST ? 0 : room;
}
