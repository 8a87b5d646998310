/*
 * Size classes. Tiny: multiples of 16 up to 256, then eight per doubling up to 1 KiB; Mid: eight
 * per doubling up to 32 KiB; L2.5: whole granules, up to 2 MiB. Class 0 stands for no size and
 * stays empty in every cache, so that the fast path needs no test for it.
 *
 * A granule is 64 KiB: the unit of spans and of the window's map.
 */
#ifndef CLASS_H
#define CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRANULE_SHIFT 16
#define GRANULE       ((size_t)1 << GRANULE_SHIFT)

#define TINY_SHIFT 4
#define TINY_MOST  ((size_t)1024)
#define MID_MOST   ((size_t)32 << 10)
/* One less than a Whale. */
#define LARGE_MOST (((size_t)2 << 20) - 1)

#define TINY_UNITS                                                                                 \
	((size_t)(TINY_MOST >> TINY_SHIFT) + 1) /* sizes in units of 16 bytes, from 0              \
						 */
#define CLASS_TINY_END 33u
#define CLASS_MID_END  (CLASS_TINY_END + 40)
#define CLASS_END      (CLASS_MID_END + 16)
/* In the window's map only: the first granule of a Whale, which is a mapping of its own or a
 * stretch. */
#define CLASS_WHALE   CLASS_END
#define CLASS_STRETCH (CLASS_END + 1)
#define CLASS_WORDS   (CLASS_END + 2)

/* Says so to the compiler too, which then needs no detour through the GOT. */
#define HIDDEN __attribute__((visibility("hidden")))

/* Blocks of this class and above are larger than a cache line: any thread may reuse what it frees.
 */
#define CLASS_SHARED 8u
/* Slabs of blocks of 512 bytes and more, to 32 KiB, belong to no heap: a thread has use for few
 * blocks of each such class, and a slab of each would be mostly empty. */
#define CLASS_DEPOT     24u
#define CLASS_DEPOT_END CLASS_MID_END

struct class_info {
	uint32_t size;     /* bytes of a block */
	uint32_t granules; /* of a slab, or of the span itself */
	uint16_t first;    /* blocks that a thread cache keeps at first */
	uint16_t cached;   /* and at most ... */
	uint16_t passing;  /* ... unless they pass through it one way only */
};

/* clang-format off */
/* Class of a Tiny size in units, as an initialiser. */
#define CLASS_BY_UNITS                                                                              \
	{                                                                                           \
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,                           \
		17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 23, 23, 24, 24,                     \
		25, 25, 25, 25, 26, 26, 26, 26, 27, 27, 27, 27, 28, 28, 28, 28,                     \
		29, 29, 29, 29, 30, 30, 30, 30, 31, 31, 31, 31, 32, 32, 32, 32                      \
	}
/* clang-format on */
extern HIDDEN const uint8_t class_by_units[TINY_UNITS];

extern HIDDEN struct class_info class_table[CLASS_END];

/* The largest size that has a class in use. */
extern HIDDEN size_t class_most;

/* Fills the table. tiny: the Tiny pool serves small sizes; large: the L2.5 pool is in use. */
void class_init(bool tiny, bool large);

/* Class of a span by its granules, 1 to 32. */
extern const uint8_t class_by_granules[33];

/* The class for 1 to LARGE_MOST bytes, were every pool in use. */
static inline unsigned class_of(size_t size)
{
	if (size <= TINY_MOST)
		return class_by_units[(size + 15) >> TINY_SHIFT];
	if (size <= MID_MOST) {
		unsigned top = 63 - (unsigned)__builtin_clzl(size - 1); /* 10 to 14 */

		return CLASS_TINY_END + (top - 10) * 8 + (((size - 1) >> (top - 3)) & 7);
	}
	return class_by_granules[(size + GRANULE - 1) >> GRANULE_SHIFT];
}

/* The class for 0 to LARGE_MOST bytes, with the pools that are in use. */
unsigned class_in_use(size_t size);

/* The class for blocks of `size` bytes that all lie at multiples of `align`, a power of two up to a
 * granule. */
unsigned class_aligned(size_t size, size_t align);

#endif
