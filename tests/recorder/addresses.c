#include "addresses.h"

#include <stdlib.h>

static size_t home(const struct addresses *set, uint64_t addr)
{
	return (size_t)(addr * 0x9e3779b97f4a7c15u >> 20) & (set->size - 1);
}

/* The cell that holds addr, or the empty one where it belongs. */
static size_t find(const struct addresses *set, uint64_t addr)
{
	size_t at = home(set, addr);

	while (set->cells[at] && set->cells[at] != addr)
		at = (at + 1) & (set->size - 1);
	return at;
}

static void grow(struct addresses *set)
{
	struct addresses larger = {.size = set->size ? 2 * set->size : 1024};

	larger.cells = calloc(larger.size, sizeof(*larger.cells));
	if (!larger.cells)
		abort();
	for (size_t i = 0; i < set->size; i++)
		if (set->cells[i])
			larger.cells[find(&larger, set->cells[i])] = set->cells[i];
	larger.count = set->count;
	free(set->cells);
	*set = larger;
}

bool addresses_add(struct addresses *set, uint64_t addr)
{
	size_t at;

	if (2 * set->count >= set->size)
		grow(set);
	at = find(set, addr);
	if (set->cells[at])
		return false;
	set->cells[at] = addr;
	set->count++;
	return true;
}

bool addresses_remove(struct addresses *set, uint64_t addr)
{
	size_t hole, at;

	if (!set->size)
		return false;
	hole = find(set, addr);
	if (!set->cells[hole])
		return false;
	/* Members behind the hole move up where their way from home leads through it. */
	for (at = (hole + 1) & (set->size - 1); set->cells[at]; at = (at + 1) & (set->size - 1)) {
		size_t from_home = (at - home(set, set->cells[at])) & (set->size - 1);

		if (from_home >= ((at - hole) & (set->size - 1))) {
			set->cells[hole] = set->cells[at];
			hole = at;
		}
	}
	set->cells[hole] = 0;
	set->count--;
	return true;
}

void addresses_fini(struct addresses *set)
{
	free(set->cells);
	*set = (struct addresses){0};
}
