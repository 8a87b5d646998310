/*
 * Segments: slots of the window cut into 64 granules, and which of these are free. A run of free
 * granules may go on in the segment of the next slot, when the same shard has it. All but the slabs
 * is read and written under the shard's lock.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slab.h"
#include "window.h"

#define SEGMENT_GRANULES 64
/* Free granules of a roomy segment: half of the shortest run that needs two. */
#define SEGMENT_ROOMY_LEAST 16

/* How much of a segment is free. */
enum segment_room {
	SEGMENT_FULL,
	SEGMENT_SOME,
	SEGMENT_ROOMY,
};

struct segment {
	struct owner owner;          /* the shard */
	uint8_t room;                /* enum segment_room */
	struct segment *next, *prev; /* among the shard's with free granules */
	char *base;
	uint64_t free;                       /* a bit per granule: not given out */
	uint64_t dirty;                      /* free, and may hold old bytes */
	uint64_t stale;                      /* dirty since before the last step of decay */
	struct segment *chain;               /* the record made before this one, in any shard */
	struct slab slabs[SEGMENT_GRANULES]; /* a record for each granule */
};

/* The segment that ptr lies in. */
static inline struct segment *segment_of(const void *ptr)
{
	return window.owners[window_slot(ptr)];
}

/* The record of the granule that ptr lies in; ptr lies in a segment. */
static inline struct slab *segment_slab(const void *ptr)
{
	struct segment *segment = segment_of(ptr);

	return &segment->slabs[((uintptr_t)ptr >> GRANULE_SHIFT) & (SEGMENT_GRANULES - 1)];
}

/* The same of the run's first granule: the slab's. */
static inline struct slab *segment_slab_head(const void *ptr)
{
	struct slab *slab = segment_slab(ptr);

	return slab - slab->before;
}

/* Where a slab's run begins. */
static inline char *segment_slab_run(const struct slab *slab)
{
	return (char *)((uintptr_t)slab->start & ~(GRANULE - 1));
}

/* The slab of a block of `cls`; reports a pointer that is none. */
struct slab *segment_slab_checked(unsigned cls, const void *ptr);

/* Makes a run a slab of `cls`: `tag` says whose, and `word` stands for its blocks in the map. */
struct slab *segment_slab_form(void *run, unsigned cls, uint32_t tag, uint32_t word);

static inline unsigned segment_granule(const struct segment *segment, const void *ptr)
{
	return (unsigned)(((const char *)ptr - segment->base) >> GRANULE_SHIFT);
}

/* The bits of granules. */
static inline uint64_t segment_mask(unsigned first, unsigned granules)
{
	return (granules == 64 ? UINT64_MAX : ((uint64_t)1 << granules) - 1) << first;
}

/* Ones in `bits` from `first` on without a gap. */
static inline unsigned segment_ones(uint64_t bits, unsigned first)
{
	uint64_t rest = ~(bits >> first);

	return rest ? (unsigned)__builtin_ctzll(rest) : SEGMENT_GRANULES;
}

/* The part of a run that lies in the segment where it begins. */
static inline unsigned segment_part(const struct segment *segment, const char *ptr, size_t granules)
{
	size_t room = SEGMENT_GRANULES - segment_granule(segment, ptr);

	return (unsigned)(granules < room ? granules : room);
}

/* How much is free. */
static inline enum segment_room segment_room_of(const struct segment *segment)
{
	if (!segment->free)
		return SEGMENT_FULL;
	return __builtin_popcountll(segment->free) < SEGMENT_ROOMY_LEAST ? SEGMENT_SOME
									 : SEGMENT_ROOMY;
}

/* The shard's segment in the next slot (step 1) or in the one before (-1); NULL: it has none. */
struct segment *segment_beside(const struct segment *segment, int step);

/*
 * The first of the shortest runs of ones in `bits` that hold `granules` (at most 64) at a multiple
 * of align (a power of two, at most 64); 64: none.
 */
unsigned segment_best(uint64_t bits, unsigned granules, unsigned align, unsigned *length);

/* True if the granules from number `first` of the segment are free, on into the next ones. */
bool segment_is_free(const struct segment *segment, unsigned first, size_t granules);

/*
 * The start of the shortest free run of at least `granules`, and of equals the first, that touches
 * one of the last few segments of the list that are roomy; NULL: there is none.
 */
char *segment_stretch(const struct segment *last, size_t granules);

/* A slab of the class, in no pool, that blocks were freed into by other threads; NULL: none.
 * Without the lock. */
struct slab *segment_find_remote(struct segment *segment, unsigned cls);

/* Purges the granules of `mask`, which are dirty; how many. What the system refuses stays dirty. */
unsigned segment_purge(struct segment *segment, uint64_t mask);

#endif
