#include "planner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_ROWS 1024 /* from one look at how large the part has become to the next, at least */

/* One pass through the trace. */
struct planner {
	struct planner_result *result;
	struct trace *trace;
	const struct survey *survey;
	struct planner_options options;
	struct compiler compiler;
	struct trace_cursor *cursor;
	const struct trace_batch *batch; /* NULL: none is left */
	size_t row;                      /* in the batch: the next one */
	struct bar *bar;                 /* of the first pass */
};

/* ---- one part ---- */

static bool full(const struct planner *p)
{
	return planfile_bytes(&p->result->file) >= p->options.memory_bytes;
}

/* Compiles rows until the part is full or the trace ends. */
static int rows_compile(struct planner *p)
{
	uint64_t look = p->survey->n_threads > LOOK_ROWS ? p->survey->n_threads : LOOK_ROWS;
	uint64_t rows = 0;
	bool ends = false;
	int got = 1;

	while (got > 0 && p->batch) {
		for (; p->row < p->batch->rows; p->row++) {
			if (ends && compiler_seam(&p->compiler, p->batch, p->row))
				return 0;
			got = compiler_row(&p->compiler, p->batch, p->row);
			if (got)
				return got;
			if (++rows % look == 0)
				ends = full(p);
		}
		p->row = 0;
		if (p->bar)
			bar_read(p->bar, p->batch->first_row + p->batch->rows, p->survey->rows);
		got = p->batch->first_row + p->batch->rows < p->survey->rows
			      ? trace_cursor_next(p->cursor, &p->batch)
			      : 0;
		p->batch = got > 0 ? p->batch : NULL;
	}
	return got;
}

/* Makes the part that begins at the next row. */
static int part_make(struct planner *p)
{
	struct planner_result *r = p->result;
	int error;

	planfile_clear(&r->file);
	error = rows_compile(p);
	if (error)
		return error;
	compiler_part(&p->compiler);
	if (!p->batch && p->options.survivors)
		compiler_survivors(&p->compiler);
	r->file.plan->last = !p->batch;
	planfile_finish(&r->file);
	return 0;
}

/* ---- a pass ---- */

static void pass_end(struct planner *p)
{
	if (p->cursor)
		trace_cursor_close(p->cursor);
	p->cursor = NULL;
	compiler_fini(&p->compiler);
	p->compiler = (struct compiler){0};
}

static int pass_begin(struct planner *p)
{
	int got = compiler_init(&p->compiler, p->survey, p->options.schedule, p->options.skew,
				&p->result->file);

	planfile_rewind(&p->result->file);
	if (!got)
		got = trace_cursor_open(&p->cursor, p->trace, NULL);
	if (!got)
		got = p->survey->rows ? trace_cursor_next(p->cursor, &p->batch) : 0;
	if (got <= 0)
		p->batch = NULL;
	p->row = 0;
	return got < 0 ? got : 0;
}

/* Makes every part once, and shows how far it is. */
static int pass_make(struct planner *p)
{
	struct planner_result *r = p->result;
	int error;

	p->bar = p->options.bar;
	if (p->bar)
		bar_begin(p->bar, "planning");
	do {
		error = part_make(p);
		r->bytes += planfile_bytes(&r->file);
		r->entries += r->file.plan->entries;
		r->parts++;
	} while (!error && p->batch);
	if (p->bar)
		bar_end(p->bar);
	p->bar = NULL;
	return error;
}

static int file_open(struct planner *p)
{
	struct planfile *file = &p->result->file;
	const struct trace_site *sites;
	uint32_t n_sites = (uint32_t)trace_sites(p->trace, &sites);
	struct pacing pacing;
	uint64_t epochs;
	int error;

	if (n_sites > PLAN_MAX_SITES || p->survey->n_threads > PLAN_MAX_THREADS)
		return -E2BIG;
	pacing_init(&pacing, p->survey, p->options.schedule == RUN_LOCKSTEP, p->options.skew);
	epochs = pacing_epochs(&pacing, p->survey->rows);
	if (epochs >= PLAN_NONE)
		return -E2BIG;
	error = planfile_open(file, p->survey,
			      &(struct planfile_room){.epochs = (uint32_t)epochs,
						      .sites = n_sites,
						      .gaps = p->options.schedule == RUN_PACED,
						      .memory_bytes = p->options.memory_bytes,
						      .slack_rows = PLAN_TURN_MAX + LOOK_ROWS +
								    p->survey->n_threads});
	for (uint32_t i = 0; !error && i < n_sites; i++)
		file->keys[i] = trace_site_key(p->trace, i);
	return error;
}

/* ---- for hakreplay ---- */

static int explain(struct planner *p, int error)
{
	if (!error || *p->result->error)
		return error;
	snprintf(p->result->error, sizeof(p->result->error), "%s",
		 *p->compiler.error  ? p->compiler.error
		 : error == -EBADMSG ? trace_error(p->trace)
		 : error == -E2BIG   ? "it has more threads, sites or rows than a plan can hold"
				     : strerror(-error));
	return error;
}

int planner_make(struct planner_result *r, struct trace *trace, const struct survey *survey,
		 const struct planner_options *options)
{
	struct planner *p = calloc(1, sizeof(*p));
	struct compiler_tally tally;
	int error;

	*r = (struct planner_result){.file.fd = -1, .planner = p};
	if (!p) {
		snprintf(r->error, sizeof(r->error), "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	*p = (struct planner){r, trace, survey, *options};
	error = file_open(p);
	if (!error)
		error = pass_begin(p);
	if (!error)
		error = pass_make(p);
	if (!error) {
		tally = compiler_tally(&p->compiler);
		r->ops = tally.ops;
		r->foreign = tally.foreign;
		r->failed = tally.failed;
		r->peak_live_bytes = tally.peak_live_bytes;
		r->digest = tally.digest;
		r->order_digest = tally.order_digest;
	}
	explain(p, error);
	pass_end(p);
	return error;
}

int planner_rewind(struct planner_result *r)
{
	struct planner *p = r->planner;
	int error;

	pass_end(p);
	error = pass_begin(p);
	return explain(p, error ? error : part_make(p));
}

int planner_next(struct planner_result *r)
{
	return explain(r->planner, part_make(r->planner));
}

void planner_fini(struct planner_result *r)
{
	if (r->planner)
		pass_end(r->planner);
	free(r->planner);
	planfile_close(&r->file);
}
