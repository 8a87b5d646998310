#include "slab.h"

static uintptr_t secret;

void slab_init(uint64_t value)
{
	secret = (uintptr_t)value;
}

/* Bytes before the first block: the bitmap where it does not fit the record, kept to the blocks'
 * alignment. */
static size_t slab_head(size_t size, size_t bytes)
{
	size_t align = size & -size;
	size_t words = (bytes / size + SLAB_WORD_BITS - 1) / SLAB_WORD_BITS;

	if (words <= SLAB_INLINE_WORDS)
		return 0;
	return (words * sizeof(uint64_t) + align - 1) & ~(align - 1);
}

void slab_format(struct slab *slab, char *ptr, unsigned cls)
{
	size_t size = class_table[cls].size;
	size_t bytes = (size_t)class_table[cls].granules << GRANULE_SHIFT;
	size_t head = slab_head(size, bytes);
	unsigned blocks = (unsigned)((bytes - head) / size);
	unsigned whole = blocks / SLAB_WORD_BITS;

	slab->start = ptr + head;
	slab->free = head ? (uint64_t *)ptr : slab->bits;
	slab->reciprocal = (((uint64_t)1 << SLAB_RECIPROCAL_SHIFT) + size - 1) / size;
	slab->blocks = (uint16_t)blocks;
	slab->free_blocks = (uint16_t)blocks;
	slab->word = 0;
	slab->cls = (uint8_t)cls;
	slab->granules = (uint8_t)class_table[cls].granules;
	for (unsigned word = 0; word < whole; word++)
		slab->free[word] = UINT64_MAX;
	if (blocks % SLAB_WORD_BITS)
		slab->free[whole] = ((uint64_t)1 << (blocks % SLAB_WORD_BITS)) - 1;
}

unsigned slab_take(struct slab *slab, void **blocks, unsigned most)
{
	size_t size = class_table[slab->cls].size;
	unsigned count = most < slab->free_blocks ? most : slab->free_blocks;
	void **at = blocks + count;
	unsigned word = slab->word;
	uint64_t bits = slab->free[word];

	while (at > blocks) {
		while (!bits) {
			slab->free[word] = 0;
			bits = slab->free[++word];
		}
		*--at = slab->start +
			(word * SLAB_WORD_BITS + (unsigned)__builtin_ctzll(bits)) * size;
		bits &= bits - 1;
	}
	slab->free[word] = bits;
	slab->word = (uint16_t)word;
	slab->free_blocks -= (uint16_t)count;
	return count;
}

bool slab_has(const struct slab *slab, const void *ptr)
{
	size_t offset = (size_t)((const char *)ptr - slab->start);
	size_t index = (offset * slab->reciprocal) >> SLAB_RECIPROCAL_SHIFT;

	return (const char *)ptr >= slab->start && index < slab->blocks &&
	       index * class_table[slab->cls].size == offset;
}

static void *link_code(const void *at, void *next)
{
	return (void *)((uintptr_t)next ^ (uintptr_t)at ^ secret);
}

void slab_link(void *ptr, void *next)
{
	*(void **)ptr = link_code(ptr, next);
}

unsigned slab_remote_push(struct slab *slab, void *first, void *last)
{
	void *head = atomic_load_explicit(&slab->remote, memory_order_relaxed);
	unsigned retries = 0;

	for (;; retries++) {
		slab_link(last, head);
		/* Release: the owner's acquire in slab_remote_collect sees the links. */
		if (atomic_compare_exchange_weak_explicit(&slab->remote, &head, first,
							  memory_order_release,
							  memory_order_relaxed))
			return retries;
	}
}

/* The link of a block that was freed remotely. */
static void *link_next(struct slab *slab, void *ptr)
{
	void *next = link_code(ptr, *(void **)ptr);

	if (next && !slab_has(slab, next))
		notice_fatal("write to a block after its free:", ptr);
	return next;
}

unsigned slab_remote_take(struct slab *slab, void **blocks, unsigned most)
{
	/* Acquire: pairs with the release of slab_remote_push. */
	void *ptr = atomic_exchange_explicit(&slab->remote, NULL, memory_order_acquire);
	unsigned count = 0;

	for (; ptr && count < most; count++) {
		void *next = link_next(slab, ptr);

		blocks[count] = ptr;
		ptr = next;
	}
	if (ptr) {
		void *last = ptr, *next;

		while ((next = link_next(slab, last)))
			last = next;
		slab_remote_push(slab, ptr, last);
	}
	return count;
}

unsigned slab_remote_collect(struct slab *slab)
{
	void *ptr = atomic_exchange_explicit(&slab->remote, NULL, memory_order_acquire);
	unsigned count = 0;

	for (; ptr; count++) {
		void *next = link_next(slab, ptr);

		slab_put(slab, ptr);
		ptr = next;
	}
	return count;
}
