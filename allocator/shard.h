/*
 * Shards: who owns the segments. Runs of granules (spans, and Whales that are stretches) are
 * given out whole. Each shard has its own segments and its own lock; a heap takes runs from one
 * shard and gives each back to the shard it came from.
 */
#ifndef SHARD_H
#define SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hakmem.h"
#include "segment.h"

#define SHARD_MOST 16
/* The most granules of a run: of one that lies in one segment, and of any. */
#define SHARD_SPAN_MOST 32
#define SHARD_RUN_MOST  512

/* The shard that ptr's segment belongs to. */
static inline unsigned shard_number(const void *ptr)
{
	return segment_of(ptr)->owner.shard;
}

/* Once: a shard for every few processors. */
void shard_init(void);
unsigned shard_count(void);

/* What memory a run shall come from. */
enum shard_source {
	SHARD_RESIDENT, /* where old bytes may be, else none */
	SHARD_MAPPED,   /* resident before clean, of segments that there are, else none */
	SHARD_CLEAN,    /* where none are: for who will use little of it; else anywhere */
	SHARD_ANY,      /* resident before clean */
};

/* What of a run may hold old bytes: granules in all, and bits of each segment that it touches. */
struct shard_dirty {
	size_t granules;
	uint64_t bits[SHARD_RUN_MOST / SEGMENT_GRANULES + 1];
};

/*
 * A run of `granules` that starts at a multiple of `align` granules (a power of two, at most 64).
 * One of up to SHARD_SPAN_MOST lies in one segment; a longer one is MAPPED or ANY, and not aligned.
 * NULL: no memory, or nothing of that source. The map's words stay for the caller to set.
 */
void *shard_take_run(unsigned shard, enum shard_source source, size_t granules, unsigned align,
		     struct shard_dirty *dirty);

/* The same; *zero: all bytes are known to be 0. */
void *shard_take(unsigned shard, enum shard_source source, unsigned granules, unsigned align,
		 bool *zero);

/* Takes up to `most` runs where old bytes may be; returns their number. */
unsigned shard_take_resident(unsigned shard, unsigned granules, void **runs, unsigned most);

/* Gives a run back (or any part of one) and clears its words in the map. */
void shard_give(void *ptr, size_t granules);

/* The same of runs of one length. */
void shard_give_all(void **runs, size_t given, size_t granules);

/* Takes the `more` granules that follow the run of `granules` at ptr, if they are free. */
bool shard_extend(void *ptr, size_t granules, size_t more);

/* One step of decay: returns to the system what was free at the last step already, and what is too
 * much for what was in use of late; everything with `all`. Bytes. */
size_t shard_purge(unsigned shard, bool all);

/* So many bytes of fresh memory were mapped elsewhere: as much less is expected to be needed here.
 */
void shard_make_room(size_t bytes);

/*
 * A slab of `cls`, whoever owns it, to which other threads have freed blocks; NULL: none in the
 * next few segments. Looks on from *cursor, which begins as NULL.
 */
struct slab *shard_find_remote(unsigned cls, struct segment **cursor);

/* Adds what the shards count. */
void shard_stats(struct hak_stats *sum);

/* Runs that were given back. */
uint64_t shard_returned(void);

/* Granules given out. */
size_t shard_granules(void);

void shard_fork_prepare(void);
void shard_fork_done(void);

#endif
