#include "segment.h"

#include "os.h"
#include "stat.h"

/* Segments that are looked at for a stretch. */
#define LOOKED_MOST 64

struct segment *segment_beside(const struct segment *segment, int step)
{
	size_t slot = window_slot(segment->base) + (size_t)step;
	struct owner *owner = slot < window.slots ? window_record(slot) : NULL;
	struct segment *other = (struct segment *)owner;

	if (!owner || owner->shard != segment->owner.shard)
		return NULL;
	/* The record may be of a segment that is gone, and serve elsewhere. */
	return window_slot(other->base) == slot ? other : NULL;
}

/* Bits of the first granules of runs of `granules` ones in `bits`, at multiples of `align`. */
static uint64_t runs_in(uint64_t bits, unsigned granules, unsigned align)
{
	static const uint64_t aligned[] = {UINT64_MAX,
					   0x5555555555555555u,
					   0x1111111111111111u,
					   0x0101010101010101u,
					   0x0001000100010001u,
					   0x0000000100000001u,
					   1};

	for (unsigned have = 1; have < granules;) {
		unsigned step = have < granules - have ? have : granules - have;

		bits &= bits >> step;
		have += step;
	}
	return bits & aligned[__builtin_ctz(align)];
}

unsigned segment_best(uint64_t bits, unsigned granules, unsigned align, unsigned *length)
{
	uint64_t starts = runs_in(bits, granules, align);
	unsigned best = 64;

	*length = 65;
	while (starts) {
		unsigned first = (unsigned)__builtin_ctzll(starts);
		unsigned run = segment_ones(bits, first);

		if (run < *length) {
			*length = run;
			best = first;
		}
		/* On to the next run. */
		starts &= first + run >= 64 ? 0 : UINT64_MAX << (first + run);
	}
	return best;
}

bool segment_is_free(const struct segment *segment, unsigned first, size_t granules)
{
	for (; granules; segment = segment_beside(segment, 1), first = 0) {
		size_t part = SEGMENT_GRANULES - first;

		if (part > granules)
			part = granules;
		if (!segment)
			return false;
		if (part && ~segment->free & segment_mask(first, (unsigned)part))
			return false;
		granules -= part;
	}
	return true;
}

/* Free granules right before a segment, as far as `most` or a little further. */
static size_t free_before(const struct segment *segment, size_t most)
{
	size_t length = 0;
	unsigned run = SEGMENT_GRANULES;

	while (run == SEGMENT_GRANULES && length < most &&
	       (segment = segment_beside(segment, -1))) {
		run = ~segment->free ? (unsigned)__builtin_clzll(~segment->free) : SEGMENT_GRANULES;
		length += run;
	}
	return length;
}

/* The same right behind it. */
static size_t free_behind(const struct segment *segment, size_t most)
{
	size_t length = 0;
	unsigned run = SEGMENT_GRANULES;

	while (run == SEGMENT_GRANULES && length < most && (segment = segment_beside(segment, 1))) {
		run = segment_ones(segment->free, 0);
		length += run;
	}
	return length;
}

struct stretch {
	char *start;
	size_t granules;
};

/* Improves on *best by a run that touches the segment. */
static void segment_look(const struct segment *segment, size_t granules, struct stretch *best)
{
	for (uint64_t left = segment->free; left;) {
		unsigned first = (unsigned)__builtin_ctzll(left);
		unsigned run = segment_ones(left, first);
		size_t before = first ? 0 : free_before(segment, granules);
		size_t length = before + run;

		if (first + run == SEGMENT_GRANULES)
			length += free_behind(segment, granules);
		if (length >= granules && length < best->granules) {
			best->start = segment->base + ((size_t)first << GRANULE_SHIFT) -
				      (before << GRANULE_SHIFT);
			best->granules = length;
		}
		left &= ~segment_mask(first, run);
	}
}

char *segment_stretch(const struct segment *last, size_t granules)
{
	struct stretch best = {NULL, SIZE_MAX};
	unsigned looked = 0;

	for (const struct segment *segment = last; segment && segment->room == SEGMENT_ROOMY &&
						   looked < LOOKED_MOST && best.granules > granules;
	     segment = segment->prev, looked++)
		segment_look(segment, granules, &best);
	return best.start;
}

unsigned segment_purge(struct segment *segment, uint64_t mask)
{
	unsigned purged = 0;

	while (mask) {
		unsigned first = (unsigned)__builtin_ctzll(mask);
		unsigned granules = segment_ones(mask, first);
		char *start = segment->base + ((size_t)first << GRANULE_SHIFT);

		mask &= ~segment_mask(first, granules);
		stat_add_shared(&stat_shared.purge_calls, 1);
		if (!os_purge(start, (size_t)granules << GRANULE_SHIFT))
			continue;
		segment->dirty &= ~segment_mask(first, granules);
		segment->stale &= segment->dirty;
		purged += granules;
	}
	return purged;
}

struct slab *segment_slab_checked(unsigned cls, const void *ptr)
{
	/* The fast path took the address modulo the window; an alias of a block shows here. So does
	 * a block that was free already when its slab went back. */
	if (!window_holds(ptr))
		notice_fatal("free of a foreign pointer:", ptr);
	if ((window_get(ptr) & WINDOW_CLASS_MASK) != cls)
		notice_fatal("double free of", ptr);
	return segment_slab_head(ptr);
}

struct slab *segment_slab_form(void *run, unsigned cls, uint32_t tag, uint32_t word)
{
	unsigned granules = class_table[cls].granules;
	struct slab *slab = segment_slab(run);

	slab_format(slab, run, cls);
	for (unsigned at = 0; at < granules; at++) {
		slab[at].before = (uint8_t)at;
		window_set((char *)run + ((size_t)at << GRANULE_SHIFT), word);
	}
	slab->tag = tag;
	return slab;
}

struct slab *segment_find_remote(struct segment *segment, unsigned cls)
{
	for (unsigned at = 0; at < SEGMENT_GRANULES; at++) {
		struct slab *slab = &segment->slabs[at];
		char *base = __atomic_load_n(&segment->base, __ATOMIC_RELAXED);

		if (slab_remote_any(slab) && (window_get(base + ((size_t)at << GRANULE_SHIFT)) &
					      (WINDOW_POOL | WINDOW_CLASS_MASK)) == cls)
			return slab;
	}
	return NULL;
}
