/* What code an address belongs to, by the loader's own tables: no lock, no search of symbols. */
#ifndef RECORDER_EXTENT_H
#define RECORDER_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

struct extent {
	uintptr_t first, end;
};

/* The function, from the module's unwind table. False: not known. */
bool extent_of_function(const void *addr, struct extent *extent);

/* The module, from its first to its last mapped page. False: not known. */
bool extent_of_module(const void *addr, struct extent *extent);

/* Something that tells modules apart; NULL: not known. */
const void *extent_module(const void *addr);

#endif
