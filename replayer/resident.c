#include "resident.h"

#include "traces/pagesize.h"

#include <errno.h>
#include <stdlib.h>

static int put(struct resident *r, uint64_t object, uint64_t pages)
{
	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 64;
		void *counts = reallocarray(r->counts, room, sizeof(*r->counts));

		if (!counts)
			return -ENOMEM;
		r->counts = counts;
		r->room = room;
	}
	r->counts[r->n++] = (struct resident_count){object, pages};
	return 0;
}

int resident_note(struct resident *r, const struct trace_batch *batch)
{
	int error = 0;

	for (size_t i = 0; !error && i < batch->n_died; i++)
		error = put(r, batch->old_object[batch->died[i].row], batch->died[i].pages);
	return error;
}

static int by_object(const void *one, const void *other)
{
	const struct resident_count *a = one, *b = other;

	return a->object < b->object ? -1 : a->object > b->object;
}

int resident_settle(struct resident *r, const struct trace *trace)
{
	uint64_t page_bytes = pagesize_bytes(trace);
	const struct trace_left *lefts;
	size_t n = trace_lefts(trace, &lefts);
	int error = 0;

	for (size_t i = 0; !error && i < n; i++)
		error = put(r, lefts[i].object, lefts[i].pages);
	for (size_t i = 0; page_bytes > RESIDENT_PAGE && i < r->n; i++)
		r->counts[i].pages *= page_bytes / RESIDENT_PAGE;
	if (r->n)
		qsort(r->counts, r->n, sizeof(*r->counts), by_object);
	return error;
}

void resident_fini(struct resident *r)
{
	free(r->counts);
}

/* So many pages of the object were touched; RESIDENT_REST: all, as far as is known. */
static uint32_t touched(const struct resident *r, uint64_t object, uint64_t size)
{
	const struct resident_count key = {.object = object}, *count;

	if (size < TRACE_LARGE_BYTES)
		return RESIDENT_REST;
	count = bsearch(&key, r->counts, r->n, sizeof(key), by_object);
	if (!count || count->pages >= (size + RESIDENT_PAGE - 1) / RESIDENT_PAGE ||
	    count->pages >= RESIDENT_REST)
		return RESIDENT_REST;
	return (uint32_t)count->pages;
}

bool resident_part(const struct resident *r, const struct trace_event *event, uint64_t old_bytes,
		   struct resident_part *part)
{
	uint32_t old;

	if (!r->n || event->object == TRACE_NONE)
		return false;
	old = touched(r, event->old_object, old_bytes);
	part->to = touched(r, event->object, event->size);
	part->from = old == RESIDENT_REST ? (uint32_t)(old_bytes / RESIDENT_PAGE) : old;
	return old != RESIDENT_REST || part->to != RESIDENT_REST;
}
