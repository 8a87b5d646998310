/*
 * Depots: slabs that no heap owns, one depot beside each shard. What many threads each need a
 * little of lies together there, under one lock for each class. Each block goes back to its slab
 * at once, whichever thread returns it.
 */
#ifndef DEPOT_H
#define DEPOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hakmem.h"

/* Takes up to `most` free blocks of `cls` from the depot beside a shard; 0: it has none. */
unsigned depot_take(unsigned shard, unsigned cls, void **blocks, unsigned most);

/* Makes a run from a shard a slab of `cls` in the depot beside it, and takes up to `most` blocks of
 * it. */
unsigned depot_add(void *run, unsigned cls, void **blocks, unsigned most);

/* Puts blocks of `cls` back to their slabs, in any depot. Slabs that nothing is left of go back to
 * their shards, but for the last one of a class with free blocks. */
void depot_put(unsigned cls, void **blocks, size_t count);

/* True if the depot has slabs of `cls`. */
bool depot_has(unsigned shard, unsigned cls);

/* Gives all empty slabs back to the shard; false: it has none. */
bool depot_trim(unsigned shard);

/* Of all depots: granules of slabs, and bytes of the blocks out of them. */
size_t depot_granules(void);
size_t depot_taken_bytes(void);

/* Adds what the depots count. */
void depot_stats(struct hak_stats *sum);

void depot_fork_prepare(void);
void depot_fork_done(void);

#endif
