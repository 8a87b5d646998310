/* A set of addresses: open addressing, grows, never shrinks. Address 0 is no member. */
#ifndef TESTS_ADDRESSES_H
#define TESTS_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addresses {
	uint64_t *cells; /* 0: empty */
	size_t size;     /* of cells, a power of two */
	size_t count;
};

/* Each says whether the set changed. Ends the program when there is no memory. */
bool addresses_add(struct addresses *set, uint64_t addr);
bool addresses_remove(struct addresses *set, uint64_t addr);
void addresses_fini(struct addresses *set);

#endif
