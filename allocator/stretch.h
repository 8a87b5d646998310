/*
 * Stretches: Whales of up to 32 MiB, which lie in the segments of the shards beside spans and
 * slabs, and so share their memory. The map's word of the first granule says how long one is.
 */
#ifndef STRETCH_H
#define STRETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stat.h"
#include "window.h"

/* False: every Whale is a mapping of its own. */
void stretch_init(bool on);

/* True if a request is served from here. */
bool stretch_serves(size_t size, size_t align);

/* Prefers segments of `shard`. NULL: no memory. *zero (may be NULL): all bytes are known to be 0.
 */
void *stretch_alloc(unsigned shard, size_t size, bool *zero, struct counters *counters);

/* word: the window's, of ptr. The last one freed stays whole until the next call. */
void stretch_free(void *ptr, uint32_t word);

/* Gives the one that stayed back to its shard; false: there is none. */
bool stretch_release(void);
size_t stretch_kept_bytes(void);

static inline size_t stretch_granules(uint32_t word)
{
	return window_owner(word);
}

/* Resizes in place, or moves the pages to a mapping of their own; NULL when neither works and
 * nothing changed. */
void *stretch_realloc(void *ptr, uint32_t word, size_t size);

#endif
