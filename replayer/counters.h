/* The allocator's own counters, as it names them. */
#ifndef REPLAYER_COUNTERS_H
#define REPLAYER_COUNTERS_H

#include "run.h"

/*
 * Reads the counters of hakmem, jemalloc, tcmalloc, mimalloc or the C library into the outcome;
 * owner: the mapped file that malloc comes from, as of proof_owner(). Of another allocator there
 * are none.
 */
void counters_read(struct run_outcome *outcome, const void *owner);

#endif
