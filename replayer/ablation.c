#include "ablation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ablation {
	const struct allocator *whole;
	const char *options; /* of the whole */
	struct hak_part used[RUN_HAK_PARTS];
	unsigned n_used;
	struct allocator *next; /* to be filled */
};

static int complain(struct dispatcher *dispatcher, int error, const char *text)
{
	snprintf(dispatcher->error, sizeof(dispatcher->error), "--ablate: %s", text);
	return error;
}

/* Place of the one hakmem in the list. */
static size_t whole_find(const struct allocators *allocators)
{
	size_t place = 0;

	while (!allocators->list[place].hakmem)
		place++;
	return place;
}

/* Asks a hakmem of that kind for its parts. */
static int parts_ask(struct dispatcher *dispatcher, const struct allocator *whole,
		     struct run_outcome *outcome)
{
	struct run_order order = {.hakmem = true, .probe = true};

	strcpy(order.library, whole->path);
	return dispatch_run(dispatcher, whole, &order, outcome);
}

/* One more variant: without the parts of the set. */
static void variant_add(struct ablation *a, const struct hak_part *parts, unsigned set, bool unused)
{
	struct allocator *variant = a->next++;
	size_t options = sizeof(variant->options), without = sizeof(variant->without);

	*variant = *a->whole;
	variant->unused = unused;
	snprintf(variant->options, options, "%s", a->options);
	for (unsigned i = 0; set >> i; i++) {
		size_t written = strlen(variant->options), named = strlen(variant->without);

		if (!(set >> i & 1))
			continue;
		snprintf(variant->options + written, options - written, "%s%s", written ? "," : "",
			 parts[i].off);
		snprintf(variant->without + named, without - named, "%s%s", named ? "+" : "",
			 parts[i].option);
	}
}

static void variants_add(struct ablation *a, const struct run_outcome *outcome, bool full,
			 const struct survey *survey)
{
	for (unsigned i = 0; i < outcome->n_hak_parts; i++) {
		const struct hak_part *part = &outcome->hak_parts[i];
		bool used = part->on && survey_uses(survey, part->from_bytes, part->to_bytes);

		if (used)
			a->used[a->n_used++] = *part;
		if (!used || !full)
			variant_add(a, part, 1, !used);
	}
	for (unsigned set = 1; full && set < 1u << a->n_used; set++)
		variant_add(a, a->used, set, false);
}

int ablation_make(struct allocators *allocators, const struct request *request,
		  const struct survey *survey, struct dispatcher *dispatcher)
{
	const char *options = request_hakmem(request);
	size_t room =
		allocators->count + (request->ablate_full ? 1u << RUN_HAK_PARTS : RUN_HAK_PARTS);
	size_t place = whole_find(allocators);
	struct ablation a = {.options = options ? options : ""};
	struct allocator *list = calloc(room, sizeof(*list));
	struct run_outcome *outcome = calloc(1, sizeof(*outcome));
	int error = list && outcome ? 0 : complain(dispatcher, -ENOMEM, strerror(ENOMEM));

	if (!error) {
		a.whole = &allocators->list[place];
		error = parts_ask(dispatcher, a.whole, outcome);
	}
	if (!error) {
		size_t before = place + 1;

		memcpy(list, allocators->list, before * sizeof(*list));
		a.next = list + before;
		variants_add(&a, outcome, request->ablate_full, survey);
		memcpy(a.next, allocators->list + before,
		       (allocators->count - before) * sizeof(*list));
		allocators->count += (size_t)(a.next - list) - before;
		free(allocators->list);
		allocators->list = list;
		list = NULL;
	}
	free(list);
	free(outcome);
	return error;
}
