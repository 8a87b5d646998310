/* The living blocks of one process: a map from their addresses to what they are. */
#ifndef RECORDER_OBJECTS_H
#define RECORDER_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object {
	uint64_t addr; /* 0: an empty place */
	uint64_t number;
	uint64_t size;
	uint64_t align;
};

struct objects {
	struct object *places; /* open addressing, linear probing; a power of two of them */
	size_t mask;
	unsigned shift;
	size_t alive;
};

/* Returns 0 or -ENOMEM. */
int objects_init(struct objects *o);
int objects_copy(struct objects *to, const struct objects *from);
void objects_fini(struct objects *o);

/* Too full for one more: objects_grow() is to be called. */
static inline bool objects_full(const struct objects *o)
{
	return o->alive * 3 >= o->mask * 2;
}

/* Returns 0 or -ENOMEM. */
int objects_grow(struct objects *o);

static inline size_t objects_hash(const struct objects *o, uint64_t addr)
{
	return (size_t)(addr * 0x9e3779b97f4a7c15u >> o->shift);
}

/* The place of the block at addr, or the empty one where it belongs. Valid until a change. Who
 * fills an empty one counts it in alive. */
static inline struct object *objects_place(const struct objects *o, uint64_t addr)
{
	size_t i = objects_hash(o, addr);

	while (o->places[i].addr && o->places[i].addr != addr)
		i = (i + 1) & o->mask;
	return o->places + i;
}

/* Empties a place that is filled. */
void objects_remove(struct objects *o, struct object *place);

/* Brings the place of addr near, before it is asked for. */
static inline void objects_prefetch(const struct objects *o, uint64_t addr)
{
	__builtin_prefetch(o->places + objects_hash(o, addr), 1);
}

#endif
