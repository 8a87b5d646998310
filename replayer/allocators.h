/* The allocators to compare: from what the user names to the library that is preloaded. */
#ifndef REPLAYER_ALLOCATORS_H
#define REPLAYER_ALLOCATORS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct allocator {
	char name[64];
	char path[PATH_MAX]; /* resolved; "": the C library's own, or null */
	bool null;
	bool hakmem; /* takes HAKMEM_OPTIONS and has counters */
	/* A variant of hakmem: its HAKMEM_OPTIONS, and the parts that it goes without. */
	char options[1024]; /* "": as the user says for all */
	char without[64];   /* "": none */
	bool unused;        /* those parts serve nothing here: not to be run */
};

struct allocators {
	struct allocator *list;
	size_t count;
	char error[PATH_MAX + 256];
};

/* What a row of a table is called: the allocator, or what hakmem goes without. */
static inline const char *allocator_label(const struct allocator *allocator)
{
	return *allocator->without ? allocator->without : allocator->name;
}

/*
 * Finds what a comma-separated list names: hakmem, glibc, jemalloc, tcmalloc, mimalloc, null, a
 * path, or NAME=PATH; NULL: every known one that this machine has. Returns 0 or a negative errno
 * with `error` set; allocators_fini() in any case.
 */
int allocators_find(struct allocators *allocators, const char *names);
/* How many take HAKMEM_OPTIONS. */
size_t allocators_hakmems(const struct allocators *allocators);

void allocators_fini(struct allocators *allocators);

#endif
