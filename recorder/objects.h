/*
 * The living blocks of one process: a map from their addresses to what they are. Addresses that are
 * near each other are kept near each other, because programs use them together: the map's unit is a
 * *span* of 512 bytes of address space, and all its blocks lie in one node.
 */
#ifndef RECORDER_OBJECTS_H
#define RECORDER_OBJECTS_H

#include <emmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECTS_SPAN_SHIFT 9
#define OBJECTS_NEAR_SHIFT 3 /* spans that lie side by side in the table */

struct object {
	uint64_t word; /* number, and above its 58 bits the alignment's binary logarithm plus one */
	uint64_t size;
};

/* Where a span's blocks are. A node is a tag for each place (0: empty, else 128 + address / 8
 * within the span), padded to 16 bytes, then the places. */
struct span {
	uint64_t key;  /* address / 512 plus one; 0: an empty entry */
	uint32_t node; /* first unit of 16 bytes */
	uint8_t class; /* 4 << class places */
	uint8_t count; /* that are filled */
};

struct objects {
	struct span *spans; /* open addressing, linear probing; a power of two of them */
	uint64_t mask;
	size_t spans_used; /* also those whose blocks have all died */
	__m128i *units;    /* of nodes */
	size_t units_used, units_room;
	uint32_t free_nodes[5]; /* by class, linked by the first word; 0: none */
	uint64_t alive;
};

/* Each returns 0 or -ENOMEM. */
int objects_init(struct objects *o);
int objects_copy(struct objects *to, const struct objects *from);
void objects_fini(struct objects *o);

static inline uint64_t objects_home(const struct objects *o, uint64_t span)
{
	uint64_t mixed = (span >> OBJECTS_NEAR_SHIFT) * 0x9e3779b97f4a7c15u;

	mixed = (mixed >> 32) << OBJECTS_NEAR_SHIFT;
	return (mixed + (span & ((1u << OBJECTS_NEAR_SHIFT) - 1))) & o->mask;
}

/* The entry of the span that addr lies in, or the empty one where it belongs. */
static inline struct span *objects_span(const struct objects *o, uint64_t addr)
{
	uint64_t span = addr >> OBJECTS_SPAN_SHIFT;
	uint64_t i = objects_home(o, span);

	while (o->spans[i].key && o->spans[i].key != span + 1)
		i = (i + 1) & o->mask;
	return o->spans + i;
}

static inline unsigned objects_tags(unsigned class)
{
	return class <= 2 ? 1 : 1u << (class - 2); /* units */
}

static inline uint8_t objects_tag(uint64_t addr)
{
	return (uint8_t)(128 + (addr >> 3 & 63));
}

/* The places of one unit of tags that have a tag: a bit each. */
static inline unsigned objects_match(__m128i tags, uint8_t tag)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag)));
}

/* Index of the place in a node with a tag; negative: none. */
static inline int objects_search(const __m128i *node, unsigned class, uint8_t tag)
{
	unsigned found = objects_match(node[0], tag);

	if (__builtin_expect(found != 0, 1))
		return __builtin_ctz(found);
	for (unsigned i = 1; i < objects_tags(class); i++) {
		found = objects_match(node[i], tag);
		if (found)
			return (int)(i * 16) + __builtin_ctz(found);
	}
	return -1;
}

static inline struct object *objects_at(const struct objects *o, const struct span *span, int place)
{
	return (struct object *)(o->units + span->node + objects_tags(span->class)) + place;
}

/*
 * The place of the block at addr, made when there is none; there: whether there was, and else the
 * caller fills it. Valid until a change. NULL: no memory.
 */
struct object *objects_put(struct objects *o, uint64_t addr, bool *there);

/* Forgets the block at addr, if there is one, and returns what it was. */
bool objects_take(struct objects *o, uint64_t addr, struct object *object);

/* Goes through all: call with *cursor 0 first; false: there are no more. */
bool objects_next(const struct objects *o, uint64_t *cursor, uint64_t *addr, struct object *object);

/* Brings what is known of addr near, before it is asked for. */
static inline void objects_prefetch(const struct objects *o, uint64_t addr)
{
	__builtin_prefetch(o->spans + objects_home(o, addr >> OBJECTS_SPAN_SHIFT));
}

static inline uint64_t object_number(const struct object *object)
{
	return object->word << 6 >> 6;
}

static inline uint64_t object_align(const struct object *object)
{
	return (uint64_t)1 << (object->word >> 58) >> 1;
}

/* Of an alignment that is no power of two the next lower one is kept. */
static inline void object_set(struct object *object, uint64_t number, uint64_t size, uint64_t align)
{
	object->word = number;
	if (align)
		object->word |= (uint64_t)(64 - __builtin_clzll(align)) << 58;
	object->size = size;
}

#endif
