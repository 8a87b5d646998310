#include "summary.h"

#include "live.h"
#include "pagesize.h"

#include <errno.h>
#include <stdlib.h>

/* Which threads and sites have a row: by number, sites after one place for rows without any. */
struct seen {
	size_t n_threads, n_sites;
	bool *threads;
	bool *sites;
};

static int seen_init(struct seen *seen, const struct trace *trace)
{
	const struct trace_thread *threads;
	const struct trace_site *sites;

	seen->n_threads = trace_threads(trace, &threads);
	seen->n_sites = trace_sites(trace, &sites);
	seen->threads = calloc(seen->n_threads + 1 + seen->n_sites, sizeof(bool));
	if (!seen->threads)
		return -ENOMEM;
	seen->sites = seen->threads + seen->n_threads + 1;
	return 0;
}

static void seen_add(struct seen *seen, const struct trace_batch *batch)
{
	for (size_t i = 0; i < batch->rows; i++) {
		seen->threads[batch->thread[i]] = true;
		/* TRACE_NO_SITE lies before the first one. */
		seen->sites[(int32_t)batch->site[i]] = true;
	}
}

static uint64_t count_seen(const bool *seen, size_t n)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += seen[i];
	return count;
}

static void count_call(struct summary *s, const struct trace_event *row,
		       const struct live_object *died)
{
	switch (trace_class(row->kind)) {
	case TRACE_CLASS_ALLOC:
		s->allocs++;
		break;
	case TRACE_CLASS_FREE:
		s->frees++;
		s->remote_frees += died->thread != row->thread;
		break;
	case TRACE_CLASS_REALLOC:
		s->reallocs++;
		break;
	case TRACE_CLASS_MARK:
		return;
	}
	s->failed_allocs += (row->flags & TRACE_FAILED) != 0;
	s->foreign_frees += (row->flags & TRACE_FOREIGN) != 0;
}

/* What a large object carries: its resident pages at birth, plus one. */
static uint64_t *born_pages(struct live_object *object)
{
	return live_payload(object);
}

/* The object is at its end, with so many resident pages. */
static void count_pages(struct summary *s, struct live_object *object, uint64_t pages)
{
	uint64_t born = object ? *born_pages(object) : 0;

	if (!object || pages == TRACE_NONE)
		return;
	s->measured_objects++;
	s->measured_pages += (object->size + s->page_bytes - 1) / s->page_bytes;
	s->touched_pages_high += pages;
	s->touched_pages_low += born && pages >= born ? pages - (born - 1) : 0;
}

static void count_left(struct summary *s, const struct live *live, const struct trace *trace)
{
	const struct trace_left *lefts;
	size_t n = trace_lefts(trace, &lefts);

	for (size_t i = 0; i < n; i++)
		count_pages(s, live_find(live, lefts[i].object), lefts[i].pages);
}

static int count_batch(struct summary *s, struct live *live, const struct trace_batch *batch)
{
	for (size_t i = 0; i < batch->rows; i++) {
		struct trace_event row = trace_batch_event(batch, i);
		struct trace_pages pages = trace_batch_pages(batch, i);
		struct live_object died, *born;
		int error;

		if (pages.died != TRACE_NONE)
			count_pages(s, live_find(live, row.old_object), pages.died);
		error = live_apply(live, &row, &died);

		if (error == -ENOMEM)
			return error;
		s->illegal += error != 0;
		count_call(s, &row, &died);
		born = pages.born != TRACE_NONE ? live_find(live, row.object) : NULL;
		if (born)
			*born_pages(born) = pages.born + 1;
	}
	if (batch->rows)
		s->last_ns = batch->time_ns[batch->rows - 1];
	s->blocks++;
	return 0;
}

int summary_read(struct summary *summary, struct trace *trace)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct live live;
	struct seen seen;
	int error;

	*summary = (struct summary){.page_bytes = pagesize_bytes(trace)};
	error = seen_init(&seen, trace);
	if (!error)
		error = trace_cursor_open(&cursor, trace, NULL);
	if (error) {
		free(seen.threads);
		return error;
	}
	live_init(&live, sizeof(uint64_t));
	while ((error = trace_cursor_next(cursor, &batch)) > 0) {
		error = count_batch(summary, &live, batch);
		if (error)
			break;
		seen_add(&seen, batch);
	}
	trace_cursor_close(cursor);
	count_left(summary, &live, trace);
	summary->events = summary->allocs + summary->frees + summary->reallocs;
	summary->threads = count_seen(seen.threads, seen.n_threads);
	summary->sites = count_seen(seen.sites, seen.n_sites);
	summary->objects = live.next;
	summary->peak_live_bytes = live.peak_bytes;
	summary->peak_live_objects = live.peak_objects;
	summary->leaked_objects = live.objects;
	summary->leaked_bytes = live.bytes;
	live_fini(&live);
	free(seen.threads);
	return error;
}
