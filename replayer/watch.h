/*
 * --check: looks at what the allocator gives and whether it kept what was in it. Faults are counted
 * and the first ones described in the run's outcome; the replay goes on.
 */
#ifndef REPLAYER_WATCH_H
#define REPLAYER_WATCH_H

#include "run.h"

#include <stddef.h>
#include <stdint.h>

void watch_init(struct run_outcome *outcome);

/* A block was handed out by a call of that kind; fills it. align: what the call asked for, or 0. */
void watch_birth(void *ptr, unsigned kind, size_t size, size_t align, uint64_t identity);

/* A realloc returned: what the smaller of both sizes holds must be as before; fills it anew. */
void watch_change(void *ptr, unsigned kind, size_t old_size, uint64_t old_identity, size_t size,
		  uint64_t identity);

/* A block of that size is about to be given back by a call of that kind. */
void watch_death(const void *ptr, unsigned kind, size_t size, uint64_t identity);

/* A block of that size is alive when the replay is over. */
void watch_end(const void *ptr, size_t size, uint64_t identity);

#endif
