/* A map from numbers of the traced program (addresses, thread ids; not 0) to numbers of a trace. */
#ifndef TRACE_IDMAP_H
#define TRACE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

#define IDMAP_NONE UINT64_MAX

struct idmap_slot;

struct idmap {
	struct idmap_slot *slots; /* open addressing, linear probing; a power of two of them */
	size_t n_slots;
	size_t used;
};

void idmap_init(struct idmap *m);
void idmap_fini(struct idmap *m);

/* The value of key, or IDMAP_NONE. */
uint64_t idmap_get(const struct idmap *m, uint64_t key);

/* Sets or replaces. Returns 0 or -ENOMEM. */
int idmap_set(struct idmap *m, uint64_t key, uint64_t value);
void idmap_remove(struct idmap *m, uint64_t key);

#endif
