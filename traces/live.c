/* A tree of three levels: branches of 512 pages of 64 objects, each freed when it holds nobody. */
#include "live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BRANCH_PAGES   512
#define BRANCH_OBJECTS (BRANCH_PAGES * LIVE_PAGE)

struct live_page {
	uint64_t alive; /* one bit an object */
	unsigned char objects[];
};

struct live_branch {
	unsigned pages; /* not NULL */
	struct live_page *page[BRANCH_PAGES];
};

void live_init(struct live *l, size_t payload_bytes)
{
	*l = (struct live){.stride = sizeof(struct live_object) + (payload_bytes + 7) / 8 * 8};
}

void live_fini(struct live *l)
{
	for (size_t b = 0; b < l->n_branches; b++) {
		if (!l->branches[b])
			continue;
		for (size_t p = 0; p < BRANCH_PAGES; p++)
			free(l->branches[b]->page[p]);
		free(l->branches[b]);
	}
	free(l->branches);
}

static struct live_object *object_in(const struct live *l, struct live_page *page, uint64_t object)
{
	return (struct live_object *)(page->objects + object % LIVE_PAGE * l->stride);
}

static struct live_page **page_of(const struct live *l, uint64_t object)
{
	uint64_t b = object / BRANCH_OBJECTS;

	if (object >= l->next || b >= l->n_branches || !l->branches[b])
		return NULL;
	return &l->branches[b]->page[object % BRANCH_OBJECTS / LIVE_PAGE];
}

struct live_object *live_find(const struct live *l, uint64_t object)
{
	struct live_page **page = page_of(l, object);

	if (!page || !*page || !((*page)->alive >> object % LIVE_PAGE & 1))
		return NULL;
	return object_in(l, *page, object);
}

static struct live_branch *branch_get(struct live *l, uint64_t b)
{
	if (b >= l->n_branches) {
		size_t n = l->n_branches ? 2 * l->n_branches : 16;
		struct live_branch **branches = realloc(l->branches, n * sizeof(*branches));

		if (!branches)
			return NULL;
		memset(branches + l->n_branches, 0, (n - l->n_branches) * sizeof(*branches));
		l->branches = branches;
		l->n_branches = n;
	}
	if (!l->branches[b])
		l->branches[b] = calloc(1, sizeof(**l->branches));
	return l->branches[b];
}

static struct live_page *page_get(struct live *l, uint64_t object)
{
	struct live_branch *branch = branch_get(l, object / BRANCH_OBJECTS);
	struct live_page **page;

	if (!branch)
		return NULL;
	page = &branch->page[object % BRANCH_OBJECTS / LIVE_PAGE];
	if (!*page) {
		*page = malloc(sizeof(**page) + LIVE_PAGE * l->stride);
		if (!*page)
			return NULL;
		(*page)->alive = 0;
		branch->pages++;
	}
	return *page;
}

/* Gives back the page, and the branch, that nobody lives in and nobody will be born in. */
static void page_put(struct live *l, struct live_page **slot, uint64_t object)
{
	struct live_branch *branch = l->branches[object / BRANCH_OBJECTS];

	if ((*slot)->alive || object / LIVE_PAGE == l->next / LIVE_PAGE)
		return;
	free(*slot);
	*slot = NULL;
	if (--branch->pages == 0 && object / BRANCH_OBJECTS != l->next / BRANCH_OBJECTS) {
		l->branches[object / BRANCH_OBJECTS] = NULL;
		free(branch);
	}
}

int live_birth(struct live *l, const struct trace_event *event)
{
	uint64_t object = event->object;
	struct live_object *born;
	struct live_page *page;

	if (object != l->next)
		return object < l->next ? -EEXIST : -ERANGE;
	page = page_get(l, object);
	if (!page)
		return -ENOMEM;
	page->alive |= UINT64_C(1) << object % LIVE_PAGE;
	born = object_in(l, page, object);
	memset(born + 1, 0, l->stride - sizeof(*born));
	*born = (struct live_object){event->size, event->align, event->thread, event->kind};
	l->next++;
	l->objects++;
	l->bytes += event->size;
	if (l->objects > l->peak_objects)
		l->peak_objects = l->objects;
	if (l->bytes > l->peak_bytes)
		l->peak_bytes = l->bytes;
	return 0;
}

int live_death(struct live *l, uint64_t object)
{
	struct live_page **page = page_of(l, object);
	uint64_t bit = UINT64_C(1) << object % LIVE_PAGE;

	if (object >= l->next)
		return -ERANGE;
	if (!page || !*page || !((*page)->alive & bit))
		return -ESRCH;
	(*page)->alive &= ~bit;
	l->objects--;
	l->bytes -= object_in(l, *page, object)->size;
	page_put(l, page, object);
	return 0;
}

int live_apply(struct live *l, const struct trace_event *event, struct live_object *died)
{
	bool dies = event->old_object != TRACE_NONE && !(event->flags & TRACE_FAILED);
	struct live_object *old = dies ? live_find(l, event->old_object) : NULL;
	int error;

	if (died)
		*died = old ? *old : (struct live_object){.thread = event->thread};
	if (dies) {
		error = live_death(l, event->old_object);
		if (error)
			return error;
	}
	return event->object != TRACE_NONE ? live_birth(l, event) : 0;
}
