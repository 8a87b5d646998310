#include "objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SPANS ((size_t)1 << 8)
#define FIRST_UNITS ((size_t)1 << 10)
#define LAST_CLASS  4

static unsigned places_of(unsigned class)
{
	return 4u << class;
}

static size_t units_of(unsigned class)
{
	return objects_tags(class) + places_of(class);
}

int objects_init(struct objects *o)
{
	*o = (struct objects){.mask = FIRST_SPANS - 1, .units_room = FIRST_UNITS, .units_used = 1};
	o->spans = calloc(FIRST_SPANS, sizeof(*o->spans));
	o->units = aligned_alloc(64, FIRST_UNITS * sizeof(*o->units));
	if (o->spans && o->units)
		return 0;
	objects_fini(o);
	return -ENOMEM;
}

void objects_fini(struct objects *o)
{
	free(o->spans);
	free(o->units);
	*o = (struct objects){0};
}

int objects_copy(struct objects *to, const struct objects *from)
{
	*to = *from;
	to->spans = malloc((from->mask + 1) * sizeof(*to->spans));
	to->units = aligned_alloc(64, from->units_room * sizeof(*to->units));
	if (!to->spans || !to->units) {
		objects_fini(to);
		return -ENOMEM;
	}
	memcpy(to->spans, from->spans, (from->mask + 1) * sizeof(*to->spans));
	memcpy(to->units, from->units, from->units_used * sizeof(*to->units));
	return 0;
}

/* ---- nodes ---- */

static int grow_units(struct objects *o)
{
	size_t room = o->units_room * 2;
	__m128i *units;

	if (room > UINT32_MAX)
		return -ENOMEM;
	units = aligned_alloc(64, room * sizeof(*units));
	if (!units)
		return -ENOMEM;
	memcpy(units, o->units, o->units_used * sizeof(*units));
	free(o->units);
	o->units = units;
	o->units_room = room;
	return 0;
}

/* A node with no tags set; 0: no memory. */
static uint32_t node_take(struct objects *o, unsigned class)
{
	uint32_t node = o->free_nodes[class];

	if (node) {
		memcpy(&o->free_nodes[class], o->units + node, sizeof(node));
	} else {
		if (o->units_used + units_of(class) > o->units_room && grow_units(o))
			return 0;
		node = (uint32_t)o->units_used;
		o->units_used += units_of(class);
	}
	memset(o->units + node, 0, objects_tags(class) * sizeof(*o->units));
	return node;
}

static void node_give(struct objects *o, uint32_t node, unsigned class)
{
	memcpy(o->units + node, &o->free_nodes[class], sizeof(node));
	o->free_nodes[class] = node;
}

/* Gives a full span a node of the next class. */
static int widen(struct objects *o, struct span *span)
{
	unsigned class = span->class + 1u;
	uint32_t node = node_take(o, class);

	if (!node)
		return -ENOMEM;
	memcpy(o->units + node, o->units + span->node, places_of(span->class));
	memcpy(o->units + node + objects_tags(class),
	       o->units + span->node + objects_tags(span->class),
	       places_of(span->class) * sizeof(struct object));
	node_give(o, span->node, span->class);
	span->node = node;
	span->class = (uint8_t) class;
	return 0;
}

/* ---- spans ---- */

/* Makes a table anew without the spans whose blocks have all died, of a fitting size. */
static int rebuild(struct objects *o)
{
	struct objects fresh = *o;
	size_t alive = 0;

	for (uint64_t i = 0; i <= o->mask; i++)
		alive += o->spans[i].key && o->spans[i].count;
	while (alive * 4 > fresh.mask)
		fresh.mask = fresh.mask * 2 + 1;
	fresh.spans = calloc(fresh.mask + 1, sizeof(*fresh.spans));
	if (!fresh.spans)
		return -ENOMEM;
	fresh.spans_used = alive;
	for (uint64_t i = 0; i <= o->mask; i++) {
		const struct span *span = o->spans + i;

		if (!span->key)
			continue;
		if (span->count)
			*objects_span(&fresh, (span->key - 1) << OBJECTS_SPAN_SHIFT) = *span;
		else
			node_give(&fresh, span->node, span->class);
	}
	free(o->spans);
	*o = fresh;
	return 0;
}

__attribute__((noinline)) static struct span *span_make(struct objects *o, uint64_t addr)
{
	struct span *span;
	uint32_t node;

	if (o->spans_used * 2 > o->mask && rebuild(o))
		return NULL;
	node = node_take(o, 0);
	if (!node)
		return NULL;
	span = objects_span(o, addr);
	*span = (struct span){.key = (addr >> OBJECTS_SPAN_SHIFT) + 1, .node = node};
	o->spans_used++;
	return span;
}

/* ---- blocks ---- */

struct object *objects_put(struct objects *o, uint64_t addr, bool *there)
{
	struct span *span = objects_span(o, addr);
	uint8_t tag = objects_tag(addr);
	int place;

	if (__builtin_expect(!span->key, 0)) {
		span = span_make(o, addr);
		if (!span)
			return NULL;
	}
	place = objects_search(o->units + span->node, span->class, tag);
	*there = place >= 0;
	if (__builtin_expect(place >= 0, 0))
		return objects_at(o, span, place);
	if (__builtin_expect(span->count == places_of(span->class), 0) && widen(o, span))
		return NULL;
	place = objects_search(o->units + span->node, span->class, 0);
	((uint8_t *)(o->units + span->node))[place] = tag;
	span->count++;
	o->alive++;
	return objects_at(o, span, place);
}

bool objects_take(struct objects *o, uint64_t addr, struct object *object)
{
	struct span *span = objects_span(o, addr);
	int place = span->key
			    ? objects_search(o->units + span->node, span->class, objects_tag(addr))
			    : -1;

	if (place < 0)
		return false;
	*object = *objects_at(o, span, place);
	((uint8_t *)(o->units + span->node))[place] = 0;
	span->count--;
	o->alive--;
	return true;
}

bool objects_next(const struct objects *o, uint64_t *cursor, uint64_t *addr, struct object *object)
{
	/* The cursor counts the places of all entries, 64 each. */
	for (; *cursor >> 6 <= o->mask; ++*cursor) {
		const struct span *span = o->spans + (*cursor >> 6);
		unsigned place = *cursor & 63;
		uint8_t tag;

		if (!span->key || !span->count || place >= places_of(span->class)) {
			*cursor |= 63;
			continue;
		}
		tag = ((const uint8_t *)(o->units + span->node))[place];
		if (!tag)
			continue;
		*addr = (span->key - 1) << OBJECTS_SPAN_SHIFT | (uint64_t)(tag & 63) << 3;
		*object = *objects_at(o, span, (int)place);
		++*cursor;
		return true;
	}
	return false;
}
