#include "slots.h"

#include "plan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct slots_entry {
	uint32_t slot;
	uint32_t stamp; /* the slot's when it was given */
	uint32_t epoch;
};

static bool entry_stale(const struct slots *s, const struct slots_entry *entry)
{
	return s->stamps[entry->slot] != entry->stamp;
}

/* Makes room for one more: throws out what is stale, then doubles the list if it is still full. */
static int list_make_room(const struct slots *s, struct slots_list *list)
{
	size_t kept = 0;

	if (list->tail < list->size)
		return 0;
	for (size_t i = list->head; i < list->tail; i++)
		if (!entry_stale(s, &list->entries[i]))
			list->entries[kept++] = list->entries[i];
	list->head = 0;
	list->tail = kept;
	if (2 * kept >= list->size) {
		size_t size = list->size ? 2 * list->size : 64;
		void *entries = realloc(list->entries, size * sizeof(*list->entries));

		if (!entries)
			return -ENOMEM;
		list->entries = entries;
		list->size = size;
	}
	return 0;
}

static int list_push(const struct slots *s, struct slots_list *list, struct slots_entry entry)
{
	int error = list_make_room(s, list);

	if (!error)
		list->entries[list->tail++] = entry;
	return error;
}

/* The latest that is still free; NULL when there is none. */
static const struct slots_entry *list_pop_latest(const struct slots *s, struct slots_list *list)
{
	while (list->tail > list->head)
		if (!entry_stale(s, &list->entries[--list->tail]))
			return &list->entries[list->tail];
	return NULL;
}

/* The oldest that is still free, if it was freed early enough. */
static const struct slots_entry *list_pop_aged(const struct slots *s, struct slots_list *list,
					       uint32_t epoch)
{
	for (; list->head < list->tail; list->head++) {
		const struct slots_entry *entry = &list->entries[list->head];

		if (entry_stale(s, entry))
			continue;
		if (entry->epoch + s->window > epoch)
			return NULL;
		list->head++;
		return entry;
	}
	return NULL;
}

int slots_init(struct slots *s, uint32_t n_threads, uint32_t window)
{
	*s = (struct slots){.window = window, .n_threads = window ? n_threads : 1};
	s->own = calloc(s->n_threads, sizeof(*s->own));
	return s->own ? 0 : -ENOMEM;
}

void slots_fini(struct slots *s)
{
	for (uint32_t i = 0; s->own && i < s->n_threads; i++)
		free(s->own[i].entries);
	free(s->own);
	free(s->all.entries);
	free(s->stamps);
}

int64_t slots_make(struct slots *s)
{
	if (s->used == s->n_stamps) {
		size_t n = s->n_stamps ? 2 * s->n_stamps : 1024;
		uint32_t *stamps = realloc(s->stamps, n * sizeof(*stamps));

		if (!stamps)
			return -ENOMEM;
		memset(stamps + s->n_stamps, 0, (n - s->n_stamps) * sizeof(*stamps));
		s->stamps = stamps;
		s->n_stamps = n;
	}
	if (s->used == PLAN_NONE)
		return -E2BIG;
	return s->used++;
}

int64_t slots_take(struct slots *s, uint32_t thread, uint32_t epoch)
{
	const struct slots_entry *entry = list_pop_latest(s, &s->own[s->window ? thread : 0]);

	if (!entry && s->window)
		entry = list_pop_aged(s, &s->all, epoch);
	if (!entry)
		return slots_make(s);
	s->stamps[entry->slot]++;
	return entry->slot;
}

int slots_give(struct slots *s, uint32_t slot, uint32_t thread, uint32_t epoch)
{
	struct slots_entry entry = {slot, ++s->stamps[slot], epoch};
	int error = list_push(s, &s->own[s->window ? thread : 0], entry);

	if (!error && s->window)
		error = list_push(s, &s->all, entry);
	return error;
}
