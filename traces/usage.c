#include "usage.h"

#include "live.h"

#include <errno.h>
#include <stdlib.h>

struct counting {
	struct live live; /* every object carries the index of its element */
	struct usage *usage;
	size_t n_sites;
};

static int count(void *context, const struct trace_event *row)
{
	struct counting *c = context;
	struct live_object *old = NULL, *born;
	size_t element = row->site < c->n_sites ? row->site : c->n_sites;
	struct usage *usage = &c->usage[element];
	int error;

	if (row->old_object != TRACE_NONE && !(row->flags & TRACE_FAILED))
		old = live_find(&c->live, row->old_object);
	if (old) {
		struct usage *owner = &c->usage[*(size_t *)live_payload(old)];

		owner->inuse_objects--;
		owner->inuse_bytes -= old->size;
	}
	error = live_apply(&c->live, row, NULL);
	if (error || row->object == TRACE_NONE)
		return error;
	born = live_find(&c->live, row->object);
	*(size_t *)live_payload(born) = element;
	usage->inuse_objects++;
	usage->inuse_bytes += row->size;
	if (row->kind != TRACE_INHERITED) {
		usage->alloc_objects++;
		usage->alloc_bytes += row->size;
	}
	return 0;
}

int usage_read(struct usage **usage, struct exporter_job *job)
{
	const struct trace_site *sites;
	struct counting c = {.n_sites = trace_sites(job->trace, &sites)};
	int error;

	*usage = c.usage = calloc(c.n_sites + 1, sizeof(*c.usage));
	if (!c.usage)
		return -ENOMEM;
	live_init(&c.live, sizeof(size_t));
	error = exporter_rows(job, count, &c);
	live_fini(&c.live);
	return error;
}
