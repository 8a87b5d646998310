#include "class.h"

/* What a thread cache may keep of one class: bytes and blocks, at first and at most. */
#define FIRST_BYTES       ((size_t)8 << 10)
#define FIRST_MOST        16
#define CACHED_TINY_BYTES ((size_t)128 << 10)
#define CACHED_MID_BYTES  ((size_t)8 << 10)
#define CACHED_MOST       1024
/* Of the spans up to this size, one. */
#define CACHED_SPAN ((size_t)256 << 10)
/* Of those that only pass through it so many bytes, or a few if these are not too large. */
#define PASSING_BYTES     ((size_t)32 << 10)
#define PASSING_FEW       8
#define PASSING_FEW_BYTES ((size_t)512 << 10)
/* Below, classes are multiples of 16; from here on, eight per doubling. */
#define CLASS_LINEAR_END 17u

struct class_info class_table[CLASS_END];
size_t class_most = LARGE_MOST;
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
	return size <= 8192 ? 1 : size <= 16384 ? 2 : 4;
}

static uint16_t blocks_in(size_t bytes, size_t size, size_t most)
{
	size_t blocks = bytes / size;

	if (blocks < 1)
		blocks = 1;
	return (uint16_t)(blocks < most ? blocks : most);
}

static uint16_t passing_of(size_t size)
{
	size_t few =
		PASSING_FEW_BYTES / size < PASSING_FEW ? PASSING_FEW_BYTES / size : PASSING_FEW;
	size_t blocks = PASSING_BYTES / size < CACHED_MOST ? PASSING_BYTES / size : CACHED_MOST;

	return (uint16_t)(blocks > few ? blocks : few);
}

static struct class_info slab_class(unsigned cls)
{
	unsigned step = cls - CLASS_LINEAR_END;
	size_t size = cls < CLASS_LINEAR_END ? (size_t)cls << TINY_SHIFT
					     : (size_t)(9 + step % 8) << (5 + step / 8);
	size_t cached = cls < CLASS_TINY_END ? CACHED_TINY_BYTES : CACHED_MID_BYTES;

	return (struct class_info){
		.size = (uint32_t)size,
		.granules = slab_granules(size),
		.first = blocks_in(FIRST_BYTES, size, FIRST_MOST),
		.cached = blocks_in(cached, size, CACHED_MOST),
		.passing = passing_of(size),
	};
}

static struct class_info span_class(unsigned granules)
{
	size_t size = (size_t)granules << GRANULE_SHIFT;

	return (struct class_info){
		.size = (uint32_t)size,
		.granules = granules,
		.first = size <= CACHED_SPAN,
		.cached = size <= CACHED_SPAN,
		.passing = passing_of(size),
	};
}

void class_init(bool tiny, bool large)
{
	class_most = large ? LARGE_MOST : MID_MOST;
	class_least = tiny ? 1 : CLASS_TINY_END;
	for (unsigned cls = 1; cls < CLASS_MID_END; cls++)
		class_table[cls] = slab_class(cls);
	/* The most granules of each class, which come last. */
	for (unsigned granules = 1; granules <= 32; granules++)
		class_table[class_by_granules[granules]] = span_class(granules);
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
