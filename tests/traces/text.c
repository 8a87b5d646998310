#include "text.h"

static void print_tables(FILE *out, const struct trace *t)
{
	const struct trace_module *modules;
	const struct trace_thread *threads;
	const struct trace_stack *stacks;
	const struct trace_site *sites;
	const char *const *texts;
	size_t n;

	n = trace_facts(t, &texts);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "fact %s=%s\n", texts[2 * i], texts[2 * i + 1]);
	n = trace_modules(t, &modules);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "module %zu %s id=%s base=%#jx size=%#jx\n", i, modules[i].path,
			modules[i].build_id, (uintmax_t)modules[i].base_addr,
			(uintmax_t)modules[i].size_bytes);
	n = trace_sites(t, &sites);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "site %zu module=%d offset=%#jx height=%u key=%016jx\n", i,
			(int)sites[i].module, (uintmax_t)sites[i].offset, sites[i].height,
			(uintmax_t)trace_site_key(t, (uint32_t)i));
	n = trace_stacks(t, &stacks);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "stack site=%u", stacks[i].site);
		for (uint32_t k = 0; k < stacks[i].depth; k++)
			fprintf(out, " %d+%#jx", (int)stacks[i].frames[k].module,
				(uintmax_t)stacks[i].frames[k].offset);
		fputc('\n', out);
	}
	n = trace_threads(t, &threads);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "thread %zu tid=%ju name=%s start=%ju exit=%jd\n", i,
			(uintmax_t)threads[i].tid, threads[i].name, (uintmax_t)threads[i].start_ns,
			(intmax_t)threads[i].exit_ns);
	n = trace_marks(t, &texts);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "mark %zu %s\n", i, texts[i]);
}

static void print_event(FILE *out, uint64_t row, const struct trace_event *e)
{
	fprintf(out, "%ju %ju t%u %s", (uintmax_t)row, (uintmax_t)e->time_ns, e->thread,
		trace_kind_name(e->kind));
	if (e->flags)
		fprintf(out, " flags=%u", e->flags);
	if (e->size)
		fprintf(out, " size=%ju", (uintmax_t)e->size);
	if (e->align)
		fprintf(out, " align=%ju", (uintmax_t)e->align);
	if (e->object != TRACE_NONE)
		fprintf(out, " object=%ju", (uintmax_t)e->object);
	if (e->old_object != TRACE_NONE)
		fprintf(out, " old=%ju", (uintmax_t)e->old_object);
	if (e->site != TRACE_NO_SITE)
		fprintf(out, " site=%u", e->site);
	if (e->addr)
		fprintf(out, " addr=%#jx", (uintmax_t)e->addr);
	fputc('\n', out);
}

static int print_rows(FILE *out, struct trace *t, unsigned jobs)
{
	struct trace_range range = {.jobs = jobs};
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	int more = trace_cursor_open(&cursor, t, &range);

	while (!more && (more = trace_cursor_next(cursor, &batch)) == 1) {
		for (size_t i = 0; i < batch->rows; i++) {
			struct trace_event event = trace_batch_event(batch, i);

			print_event(out, batch->first_row + i, &event);
		}
		more = 0;
	}
	trace_cursor_close(cursor);
	return more;
}

int text_print(FILE *out, struct trace *t, unsigned jobs)
{
	const struct trace_totals *totals = trace_totals(t);
	int err;

	print_tables(out, t);
	err = print_rows(out, t, jobs);
	if (totals)
		fprintf(out, "totals lost=%ju late=%ju repaired=%ju duration=%ju\n",
			(uintmax_t)totals->lost_events, (uintmax_t)totals->late_events,
			(uintmax_t)totals->repaired_events, (uintmax_t)totals->duration_ns);
	fprintf(out, "%s\n", trace_complete(t) ? "whole" : "not whole");
	return err;
}

void text_verdict(FILE *out, const char *path, unsigned jobs)
{
	struct trace_range range = {.jobs = jobs};
	const struct trace_batch *batch;
	struct trace_cursor *cursor = NULL;
	unsigned long long rows = 0;
	const char *where = "fine";
	struct trace *t;
	int more = 0;

	if (trace_open(&t, path)) {
		where = "open";
	} else {
		if (!trace_complete(t))
			where = "cut";
		more = trace_cursor_open(&cursor, t, &range);
		while (!more && (more = trace_cursor_next(cursor, &batch)) == 1) {
			rows += batch->rows;
			more = 0;
		}
		if (more)
			where = "rows";
		trace_cursor_close(cursor);
	}
	fprintf(out, "%s | %s | %llu | %s\n", path, where, rows, trace_error(t));
	trace_close(t);
}
