#include "class.h"

/* Bytes that a thread cache may keep of one class, and the most blocks. */
#define CACHED_BYTES ((size_t)128 << 10)
#define CACHED_MOST  256
/* Below, classes are multiples of 16; from here on, eight per doubling. */
#define CLASS_LINEAR_END 17u
/* The same for spans. */
#define CACHED_SPAN_BYTES ((size_t)512 << 10)

struct class_info class_table[CLASS_END];
static unsigned class_least = 1;

const uint8_t class_by_units[TINY_UNITS] = CLASS_BY_UNITS;

#define SPAN(n) (CLASS_MID_END + (n))
const uint8_t class_by_granules[33] = {
	0,        SPAN(0),  SPAN(1),  SPAN(2),  SPAN(3),  SPAN(4),  SPAN(5),  SPAN(6),  SPAN(7),
	SPAN(8),  SPAN(8),  SPAN(9),  SPAN(9),  SPAN(10), SPAN(10), SPAN(11), SPAN(11), SPAN(12),
	SPAN(12), SPAN(12), SPAN(12), SPAN(13), SPAN(13), SPAN(13), SPAN(13), SPAN(14), SPAN(14),
	SPAN(14), SPAN(14), SPAN(15), SPAN(15), SPAN(15), SPAN(15)};

static uint32_t slab_granules(size_t size)
{
	if (size <= 4096)
		return 1;
	return size <= 8192 ? 2 : size <= 16384 ? 4 : 8;
}

static uint32_t cached_most(size_t bytes, size_t size)
{
	size_t blocks = bytes / size;

	return blocks > CACHED_MOST ? CACHED_MOST : blocks ? (uint32_t)blocks : 1;
}

void class_init(bool tiny)
{
	class_least = tiny ? 1 : CLASS_TINY_END;
	for (unsigned cls = 1; cls < CLASS_MID_END; cls++) {
		unsigned step = cls - CLASS_LINEAR_END;
		size_t size = cls < CLASS_LINEAR_END ? (size_t)cls << TINY_SHIFT
						     : (size_t)(9 + step % 8) << (5 + step / 8);

		class_table[cls] = (struct class_info){
			.size = (uint32_t)size,
			.granules = slab_granules(size),
			.cached = cached_most(CACHED_BYTES, size),
		};
	}
	for (unsigned granules = 32; granules; granules--) {
		unsigned cls = class_by_granules[granules];

		if (class_table[cls].granules > granules)
			continue;
		class_table[cls] = (struct class_info){
			.size = granules << GRANULE_SHIFT,
			.granules = granules,
			.cached = cached_most(CACHED_SPAN_BYTES, granules << GRANULE_SHIFT),
		};
	}
}

unsigned class_in_use(size_t size)
{
	unsigned cls = class_of(size);

	return cls < class_least ? class_least : cls;
}

unsigned class_aligned(size_t size, size_t align)
{
	unsigned cls = class_in_use((size + align - 1) & ~(align - 1));

	while (class_table[cls].size & (align - 1))
		cls++;
	return cls;
}
