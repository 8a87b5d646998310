#include "census.h"

#include "failure.h"
#include "meter.h"
#include "verbs.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE         4096ull
#define REGION_SHIFT 21
#define PAGES        ((1ull << REGION_SHIFT) / PAGE)
#define REGIONS      (1ull << (47 - REGION_SHIFT))
#define CHUNK        256 /* regions mapped at a time */

/* Memory around blocks, by page. */
struct region {
	uintptr_t base;
	struct region *next;
	_Atomic uint16_t live[PAGES]; /* bytes of blocks that are alive */
	_Atomic bool held[PAGES];     /* a block was there at some time */
};

static struct run_series *series;
static struct region *_Atomic *map; /* by address */
static struct region *all;
static struct region *spare;
static unsigned spares;
static _Atomic uint32_t lock; /* of the three above, and of sampling */
static int pagemap_fd;
static uint64_t stride; /* calls between two samples */
static _Atomic uint64_t calls;
/*
 * Sums over blocks, each of which is in them or not: whenever they are read, no part of a block is
 * counted without the other. Two sums read in turn may differ by the blocks born and freed between.
 */
static _Atomic int64_t live_bytes, rounding_bytes;

/* Shared mappings count as no anonymous memory: the heap's measure does not see them. */
static void *memory(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		failure("no memory for the census: %zu bytes", bytes);
	return at;
}

static void lock_take(void)
{
	while (atomic_exchange_explicit(&lock, 1, memory_order_acquire))
		__builtin_ia32_pause();
}

static void lock_give(void)
{
	atomic_store_explicit(&lock, 0, memory_order_release);
}

void census_init(struct run_series *to, uint64_t ops)
{
	series = to;
	stride = ops / (RUN_SERIES - 1) + 1;
	map = memory(REGIONS * sizeof(*map));
	pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	series->split = verbs_usable_size && pagemap_fd >= 0;
}

static struct region *region_make(uintptr_t addr)
{
	struct region *region;

	lock_take();
	region = map[addr >> REGION_SHIFT];
	if (!region) {
		if (!spares) {
			spare = memory(CHUNK * sizeof(*spare));
			spares = CHUNK;
		}
		spares--;
		region = spare++;
		region->base = addr >> REGION_SHIFT << REGION_SHIFT;
		region->next = all;
		all = region;
		map[addr >> REGION_SHIFT] = region;
	}
	lock_give();
	return region;
}

/* Adds a block's bytes to its pages, or takes them away. */
static void pages_change(uintptr_t addr, uint64_t bytes, bool born)
{
	for (uintptr_t end = addr + bytes; addr < end;) {
		uintptr_t next = (addr / PAGE + 1) * PAGE;
		struct region *region = map[addr >> REGION_SHIFT];
		uintptr_t page = addr / PAGE % PAGES;
		uint16_t part = (uint16_t)((next < end ? next : end) - addr);

		if (!region)
			region = region_make(addr);
		if (born)
			region->live[page] += part;
		else
			region->live[page] -= part;
		region->held[page] = true;
		addr = next;
	}
}

static void block_change(void *ptr, uint64_t size, bool born)
{
	int64_t sign = born ? 1 : -1;
	uint64_t usable;

	if (!ptr)
		return;
	live_bytes += sign * (int64_t)size;
	if (!series->split)
		return;
	usable = verbs_usable_size(ptr);
	rounding_bytes += sign * (int64_t)(usable - size);
	pages_change((uintptr_t)ptr, usable, born);
}

void census_birth(void *ptr, uint64_t size)
{
	block_change(ptr, size, true);
}

void census_death(void *ptr, uint64_t size)
{
	block_change(ptr, size, false);
}

/* Bytes without a living block, in resident pages that have held one. */
static uint64_t free_resident(void)
{
	static uint64_t entries[PAGES];
	uint64_t sum = 0;

	for (const struct region *region = all; region; region = region->next) {
		off_t at = (off_t)(region->base / PAGE * sizeof(*entries));
		ssize_t n = pread(pagemap_fd, entries, sizeof(entries), at);

		for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(*entries); i++)
			if (entries[i] >> 63 && region->held[i])
				sum += PAGE - region->live[i];
	}
	return sum;
}

static void sample(uint64_t ops)
{
	struct run_sample *s;

	lock_take();
	s = &series->samples[series->count];
	if (series->count < RUN_SERIES && (!series->count || s[-1].ops < ops)) {
		s->ops = ops;
		s->rss_bytes = meter_heap_bytes();
		s->live_bytes = (uint64_t)live_bytes;
		s->rounding_bytes = (uint64_t)rounding_bytes;
		if (series->split)
			s->free_bytes = free_resident();
		series->count++;
	}
	lock_give();
}

void census_call(void)
{
	uint64_t ops = atomic_fetch_add(&calls, 1) + 1;

	if (ops % stride == 0)
		sample(ops);
}

void census_finish(void)
{
	sample(calls);
}
