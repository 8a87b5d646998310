#include "window.h"

#include <errno.h>

#include "lock.h"
#include "meta.h"
#include "os.h"
#include "stat.h"

#define WINDOW_LEAST  ((uint64_t)1 << 30)
#define WINDOW_WANTED ((uint64_t)1 << 40)
#define WINDOW_MOST   ((uint64_t)16 << 40)
/* Room for mappings of others above a window that lies above them. */
#define CLEARANCE  ((uint64_t)4 << 30)
#define WORD_BITS  64
#define META_BYTES ((size_t)256 << 10) /* of the first records, which come with the map */

static _Atomic uint32_t nothing;

/* Before window_init every address is foreign. */
_Atomic uint32_t *window_map = &nothing;
uint64_t window_mask;
struct window window;

static struct lock lock;
static uint64_t *taken;  /* a bit per slot; the words run downwards from here */
static size_t lowest;    /* no slot below is free */
static bool first_ready; /* the first slot is mapped and not given out yet */

/*
 * Several times what the machine or the limit could hold, as slots of Whales are used in part only
 * and some programs touch little of what they ask for.
 */
static uint64_t window_bytes(void)
{
	uint64_t most = 8 * os_memory_bytes();
	uint64_t limit = os_address_limit();
	uint64_t bytes = WINDOW_LEAST;

	if (most < WINDOW_WANTED)
		most = WINDOW_WANTED;
	if (limit < most / 8)
		most = 8 * limit;
	while (bytes < most && bytes < WINDOW_MOST)
		bytes <<= 1;
	return bytes;
}

/*
 * Half-way down to 0 from where the system maps, where neither the program nor the system's own
 * mappings come. Where that is not to be had: below everything if the system maps downwards, else
 * above. Nothing there is reserved but the first slot.
 */
static uintptr_t window_place(uintptr_t end, uint64_t bytes)
{
	uintptr_t half = (end / 2) & ~(SLOT - 1);
	int error = half >= 4 * bytes ? os_map_at((void *)half, SLOT) : -EEXIST;

	first_ready = !error;
	if (error != -EEXIST) /* without memory for the slot the place is as good */
		return half;
	return end >= 2 * bytes ? end - bytes : end + CLEARANCE;
}

/* In one mapping: the map, the owners, the bits of the slots from the last to the first, and the
 * first records. */
bool window_init(void)
{
	uint64_t bytes = window_bytes();
	size_t slots, map_bytes, owner_bytes, taken_bytes;
	char *records, *meta;

	do {
		slots = bytes >> SLOT_SHIFT;
		map_bytes = (bytes >> GRANULE_SHIFT) * sizeof(uint32_t);
		owner_bytes = slots * sizeof(void *);
		taken_bytes = (slots / 8 + OS_PAGE - 1) & ~(OS_PAGE - 1);
		records = os_map(map_bytes + owner_bytes + taken_bytes + META_BYTES);
	} while (!records && (bytes >>= 1) >= WINDOW_LEAST);
	if (!records)
		return false;
	stat_add_shared(&stat_shared.mmap_calls, 1);
	window.base = window_place((uintptr_t)records & ~(SLOT - 1), bytes);
	window.slots = slots;
	window.owners = (void **)(records + map_bytes);
	meta = records + map_bytes + owner_bytes + taken_bytes;
	taken = (uint64_t *)meta - 1;
	window_map = (_Atomic uint32_t *)records;
	window_mask = (bytes >> GRANULE_SHIFT) - 1;
	meta_start(meta, META_BYTES);
	return true;
}

static uint64_t *taken_word(size_t slot)
{
	return taken - slot / WORD_BITS;
}

static bool slot_taken(size_t slot)
{
	return *taken_word(slot) >> (slot % WORD_BITS) & 1;
}

static void slots_mark(size_t slot, size_t count, bool take)
{
	for (; count; slot++, count--) {
		if (take)
			*taken_word(slot) |= (uint64_t)1 << (slot % WORD_BITS);
		else
			*taken_word(slot) &= ~((uint64_t)1 << (slot % WORD_BITS));
	}
}

/* The granule of address 0 modulo the window must stay without an owner: NULL has that word. */
static bool slot_usable(size_t slot)
{
	uintptr_t first = (window.base + (slot << SLOT_SHIFT)) >> GRANULE_SHIFT;

	return !slot_taken(slot) && (first & window_mask) != 0;
}

/* First run of free slots at or after `slot`; window.slots when there is none. */
static size_t run_find(size_t slot, size_t count, size_t align)
{
	size_t run = 0;

	for (; slot < window.slots; slot++) {
		if (!slot_usable(slot))
			run = 0;
		else if (run || ((window.base + (slot << SLOT_SHIFT)) & (align - 1)) == 0)
			run++;
		if (run == count)
			return slot + 1 - count;
	}
	return window.slots;
}

/* Something of the program's is in the way of a run: the slots where it is are never tried again,
 * as each try is a system call. */
static void slots_block(size_t slot, size_t count)
{
	for (; count; slot++, count--) {
		void *ptr = (void *)(window.base + (slot << SLOT_SHIFT));

		if (!os_is_free(ptr, SLOT))
			slots_mark(slot, 1, true);
	}
}

/* Of the slot that window_init mapped, gives back what lies beyond the first `bytes`. */
static void first_cut(size_t bytes)
{
	first_ready = false;
	if (bytes < SLOT)
		os_unmap((char *)window.base + bytes, SLOT - bytes);
}

/* Maps the first `bytes` of free slots. As os_map_at. */
static int slots_map(size_t slot, size_t bytes)
{
	if (slot == 0 && first_ready) {
		first_cut(bytes <= SLOT ? bytes : 0);
		if (bytes <= SLOT)
			return 0;
	}
	stat_add_shared(&stat_shared.mmap_calls, 1);
	return os_map_at((void *)(window.base + (slot << SLOT_SHIFT)), bytes);
}

/* Leaves free slots without a mapping. */
static void slots_clear(size_t slot)
{
	if (slot == 0 && first_ready)
		first_cut(0);
}

static void *slots_take(size_t bytes, size_t align, bool map)
{
	size_t count = (bytes + SLOT - 1) >> SLOT_SHIFT;
	size_t slot = lowest;
	void *ptr = NULL;
	int error = -EEXIST;

	while (error == -EEXIST) {
		slot = run_find(slot, count, align);
		if (slot == window.slots)
			return NULL;
		ptr = (void *)(window.base + (slot << SLOT_SHIFT));
		if (!map)
			slots_clear(slot);
		error = map ? slots_map(slot, bytes) : 0;
		if (error == -EEXIST) {
			slots_block(slot, count);
			if (!slot_taken(slot))
				slot++;
		}
	}
	if (error)
		return NULL;
	slots_mark(slot, count, true);
	while (lowest < window.slots && slot_taken(lowest))
		lowest++;
	return ptr;
}

void *window_take(size_t bytes, size_t align)
{
	void *ptr;

	lock_take(&lock);
	ptr = slots_take(bytes, align, true);
	lock_drop(&lock);
	if (ptr)
		window_count((int64_t)bytes);
	return ptr;
}

void *window_reserve(size_t bytes, size_t align)
{
	void *ptr;

	lock_take(&lock);
	ptr = slots_take(bytes, align, false);
	lock_drop(&lock);
	return ptr;
}

void window_release(void *ptr, size_t bytes)
{
	size_t slot = window_slot(ptr);

	lock_take(&lock);
	slots_mark(slot, (bytes + SLOT - 1) >> SLOT_SHIFT, false);
	if (slot < lowest)
		lowest = slot;
	lock_drop(&lock);
}

void window_count(int64_t bytes)
{
	uint64_t now = atomic_fetch_add_explicit(&stat_shared.mapped_bytes, (uint64_t)bytes,
						 memory_order_relaxed) +
		       (uint64_t)bytes;
	uint64_t peak = atomic_load_explicit(&stat_shared.mapped_peak_bytes, memory_order_relaxed);

	if (bytes < 0)
		stat_add_shared(&stat_shared.unmapped_bytes, (uint64_t)-bytes);
	while (now > peak && bytes > 0 &&
	       !atomic_compare_exchange_weak_explicit(&stat_shared.mapped_peak_bytes, &peak, now,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

void window_fork_prepare(void)
{
	lock_take(&lock);
}

void window_fork_done(void)
{
	lock_drop(&lock);
}
