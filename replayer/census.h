/*
 * What resident memory is made of, the same for every allocator: a run of its own, not timed, asks
 * for the usable size of each block, keeps count of the bytes that live blocks have in each page,
 * and now and then looks which pages are resident.
 */
#ifndef REPLAYER_CENSUS_H
#define REPLAYER_CENSUS_H

#include "run.h"

#include <stddef.h>

/* ops: calls that the run is going to make. */
void census_init(struct run_series *series, uint64_t ops);

/* A block of that size was given out; is about to be given back. ptr may be NULL. */
void census_birth(void *ptr, uint64_t size);
void census_death(void *ptr, uint64_t size);

/* A call is over. */
void census_call(void);

/* The run is over. */
void census_finish(void);

#endif
