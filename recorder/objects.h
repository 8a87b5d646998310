/* The living blocks of one process: a map from their addresses to what they are. */
#ifndef RECORDER_OBJECTS_H
#define RECORDER_OBJECTS_H

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

/* Makes room for one more. Returns 0 or -ENOMEM. */
int objects_reserve(struct objects *o);

/* The place of the block at addr, or the empty one where it belongs. Valid until a change. */
struct object *objects_place(const struct objects *o, uint64_t addr);

/* Counts the place, which was empty and has been filled. */
void objects_added(struct objects *o);
void objects_remove(struct objects *o, struct object *place);

static inline size_t objects_hash(const struct objects *o, uint64_t addr)
{
	return (size_t)(addr * 0x9e3779b97f4a7c15u >> o->shift);
}

/* Brings the place of addr near, before it is asked for. */
static inline void objects_prefetch(const struct objects *o, uint64_t addr)
{
	__builtin_prefetch(o->places + objects_hash(o, addr), 1);
}

#endif
