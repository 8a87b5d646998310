/* Counters: one set per heap, plain integers of its thread; one set for what heaps share. Summed on
 * read. */
#ifndef STAT_H
#define STAT_H

#include <stdatomic.h>
#include <stdint.h>

#include "hakmem.h"

struct counters {
#define STAT_FIELD(field, text) _Atomic uint64_t field;
	HAK_STATS(STAT_FIELD)
#undef STAT_FIELD
};

/* Of what no heap owns; any thread adds to them. */
extern struct counters stat_shared;

/* Only the owner of the counter writes it: no atomic read-modify-write. */
static inline void stat_add(_Atomic uint64_t *counter, uint64_t amount)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
			      memory_order_relaxed);
}

static inline void stat_subtract(_Atomic uint64_t *counter, uint64_t amount)
{
	stat_add(counter, -amount);
}

static inline void stat_add_shared(_Atomic uint64_t *counter, uint64_t amount)
{
	atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

/* Adds one set to a sum. */
void stat_sum(struct hak_stats *sum, const struct counters *counters);

/* Writes the counters to fd as text ("  123 name: what it counts") or as one JSON object. */
void stat_print(int fd, const struct hak_stats *stats);
void stat_print_json(int fd, const struct hak_stats *stats);

#endif
