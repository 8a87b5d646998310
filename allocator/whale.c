#include "whale.h"

#include "lock.h"
#include "meta.h"
#include "notice.h"
#include "os.h"
#include "stat.h"
#include "tune.h"
#include "window.h"

/*
 * Bytes kept: at least, at most where a program shows that it would reuse them, and as a share of
 * what is in use. The most that a reused region may exceed the request by, as a divisor.
 */
#define KEPT_MOST  ((size_t)256 << 20)
#define KEPT_SHARE 2
#define SLACK      4
/* A kept region of at least such a share of the request may be grown to it. */
#define LESS 2
/* Steps of upkeep (or allocations) that an unused region survives. */
#define AGE_MOST 64
/* The same where fresh memory is needed elsewhere. */
#define AGE_RELEASED 4

struct whale {
	struct owner owner;
	struct whale *next, *prev; /* kept: newest first; unused records: next alone */
	char *ptr;
	size_t bytes;  /* mapped */
	size_t places; /* bytes of addresses held, whole slots */
	uint64_t born; /* clock when it was kept */
	bool live;
};

static struct lock lock;
static struct whale *newest, *oldest; /* kept regions */
static struct whale *records;         /* unused */
static unsigned kept_most, kept;
static _Atomic size_t kept_bytes, live_bytes; /* written under the lock, read without */
static size_t kept_least; /* bytes that may be kept whatever is in use, where learnt */
static size_t lost;       /* the largest region let go since the last miss */
static uint64_t clock;

void whale_init(unsigned most)
{
	kept_most = most;
}

static size_t page_round(size_t size)
{
	size_t page = os_page();

	return (size + page - 1) & ~(page - 1);
}

static struct whale *whale_of(const void *ptr)
{
	struct whale *whale = window.owners[window_slot(ptr)];

	if (whale->ptr != ptr)
		notice_fatal("free of a pointer that is not the start of a block:", ptr);
	return whale;
}

/* Most bytes kept: in proportion to what is in use, so that a small program stays small. */
static size_t kept_limit(void)
{
	size_t share = live_bytes / KEPT_SHARE;
	size_t least = kept_least > tune.whale_bytes ? kept_least : tune.whale_bytes;

	return share > least ? share : least;
}

static void kept_add(struct whale *whale)
{
	whale->born = clock;
	whale->live = false;
	whale->prev = NULL;
	whale->next = newest;
	if (newest)
		newest->prev = whale;
	else
		oldest = whale;
	newest = whale;
	kept++;
	kept_bytes += whale->bytes;
}

static void kept_remove(struct whale *whale)
{
	if (whale->prev)
		whale->prev->next = whale->next;
	else
		newest = whale->next;
	if (whale->next)
		whale->next->prev = whale->prev;
	else
		oldest = whale->prev;
	kept--;
	kept_bytes -= whale->bytes;
}

/* Unmaps a region and lets go of its addresses and record. Under the lock. */
static void whale_unmap(struct whale *whale)
{
	window_set(whale->ptr, 0);
	os_unmap(whale->ptr, whale->bytes);
	stat_add_shared(&stat_shared.munmap_calls, 1);
	window_release(whale->ptr, whale->places);
	window_count(-(int64_t)whale->bytes);
	whale->next = records;
	records = whale;
}

static size_t places_held(const struct whale *whale)
{
	return (whale->places + SLOT - 1) & ~(SLOT - 1);
}

/*
 * The smallest kept region that fits without much waste, the newest of equals; else the largest
 * that can be made to fit where it is, so that only the difference has to be faulted in. Under the
 * lock.
 */
static struct whale *kept_find(size_t bytes, size_t align)
{
	struct whale *best = NULL, *less = NULL;

	for (struct whale *whale = newest; whale; whale = whale->next) {
		if ((uintptr_t)whale->ptr & (align - 1))
			continue;
		if (whale->bytes >= bytes) {
			if (whale->bytes - bytes <= bytes / SLACK &&
			    (!best || whale->bytes < best->bytes))
				best = whale;
		} else if (places_held(whale) >= bytes && whale->bytes >= bytes / LESS &&
			   (!less || whale->bytes > less->bytes)) {
			less = whale;
		}
	}
	if (!best && less && os_resize(less->ptr, less->bytes, bytes)) {
		stat_add_shared(&stat_shared.mremap_calls, 1);
		kept_bytes += bytes - less->bytes;
		window_count((int64_t)(bytes - less->bytes));
		less->bytes = bytes;
		best = less;
	}
	if (best)
		kept_remove(best);
	return best;
}

static struct whale *record_take(void)
{
	struct whale *whale = records;

	if (whale) {
		records = whale->next;
		return whale;
	}
	whale = meta_take(sizeof(*whale));
	if (whale)
		whale->owner.shard = WINDOW_NO_SHARD;
	return whale;
}

static void record_put(struct whale *whale)
{
	whale->next = records;
	records = whale;
}

static void whale_place(struct whale *whale, char *ptr, size_t bytes, size_t places)
{
	whale->ptr = ptr;
	whale->bytes = bytes;
	whale->places = places;
	window_own(window_slot(ptr), &whale->owner);
	window_set(ptr, CLASS_WHALE);
}

/* A region was let go that would have served now: the like of it shall be kept. */
static void lost_learn(size_t bytes)
{
	if (lost >= bytes && 2 * bytes > kept_least && 2 * bytes <= KEPT_MOST)
		kept_least = 2 * bytes;
	lost = 0;
}

static struct whale *whale_create(size_t bytes, size_t align)
{
	struct whale *whale = record_take();
	char *ptr = NULL;

	if (!whale)
		return NULL;
	lost_learn(bytes);
	ptr = window_take(bytes, align < SLOT ? SLOT : align);
	while (!ptr && oldest) {
		struct whale *gone = oldest;

		kept_remove(gone);
		whale_unmap(gone);
		ptr = window_take(bytes, align < SLOT ? SLOT : align);
	}
	if (!ptr) {
		record_put(whale);
		return NULL;
	}
	whale_place(whale, ptr, bytes, bytes);
	return whale;
}

/* Lets go of regions that have been kept for too long. Under the lock. */
static size_t kept_age(uint64_t age)
{
	size_t bytes = 0;

	while (oldest && clock - oldest->born >= age) {
		struct whale *gone = oldest;

		bytes += gone->bytes;
		kept_remove(gone);
		whale_unmap(gone);
	}
	return bytes;
}

void *whale_alloc(size_t size, size_t align, bool *zero)
{
	size_t bytes = page_round(size);
	struct whale *whale;
	void *ptr = NULL;

	if (bytes < size || bytes > PTRDIFF_MAX)
		return NULL;
	lock_take(&lock);
	clock++;
	whale = kept_find(bytes, align);
	if (zero)
		*zero = !whale;
	if (whale)
		stat_add_shared(&stat_shared.whale_hits, 1);
	else
		whale = whale_create(bytes, align);
	kept_age(AGE_MOST);
	if (whale) {
		whale->live = true;
		live_bytes += whale->bytes;
		ptr = whale->ptr;
	}
	lock_drop(&lock);
	stat_add_shared(&stat_shared.whale_allocs, 1);
	return ptr;
}

void whale_free(void *ptr)
{
	struct whale *whale;

	lock_take(&lock);
	whale = whale_of(ptr);
	if (!whale->live)
		notice_fatal("double free of", ptr);
	live_bytes -= whale->bytes;
	if (!kept_most || whale->bytes > kept_limit() || whale->bytes <= LARGE_MOST) {
		if (whale->bytes > lost)
			lost = whale->bytes;
		whale_unmap(whale);
	} else {
		while (oldest && (kept >= kept_most || kept_bytes + whale->bytes > kept_limit())) {
			struct whale *gone = oldest;

			kept_remove(gone);
			whale_unmap(gone);
		}
		kept_add(whale);
	}
	lock_drop(&lock);
}

size_t whale_usable(const void *ptr)
{
	return whale_of(ptr)->bytes;
}

/* Addresses for a region that has to grow, and is to grow further. */
static char *places_reserve(size_t bytes, size_t *places)
{
	*places = bytes + bytes / 2;
	return window_reserve(*places, SLOT);
}

/* Moves the pages to addresses with room to grow. Under the lock. */
static bool whale_move(struct whale *whale, size_t bytes)
{
	size_t places;
	char *target = places_reserve(bytes, &places);

	if (!target)
		return false;
	if (!os_move(whale->ptr, whale->bytes, target, bytes)) {
		window_release(target, places);
		return false;
	}
	stat_add_shared(&stat_shared.realloc_moved, 1);
	window_set(whale->ptr, 0);
	window_release(whale->ptr, whale->places);
	whale_place(whale, target, bytes, places);
	return true;
}

void *whale_realloc(void *ptr, size_t size)
{
	size_t bytes = page_round(size), held;
	struct whale *whale;
	size_t before;
	bool done;

	if (bytes < size || bytes > PTRDIFF_MAX)
		return NULL;
	lock_take(&lock);
	whale = whale_of(ptr);
	if (!whale->live)
		notice_fatal("realloc of a freed block:", ptr);
	before = whale->bytes;
	held = places_held(whale);
	stat_add_shared(&stat_shared.mremap_calls, 1);
	done = bytes == before || (bytes <= held && os_resize(ptr, before, bytes));
	if (done) {
		whale->bytes = bytes;
		stat_add_shared(&stat_shared.realloc_in_place, 1);
	} else {
		done = whale_move(whale, bytes);
	}
	ptr = done ? whale->ptr : NULL;
	if (done)
		live_bytes += bytes - before;
	lock_drop(&lock);
	if (done)
		window_count((int64_t)bytes - (int64_t)before);
	return ptr;
}

void *whale_adopt(void *from, size_t held, size_t size)
{
	size_t bytes = page_round(size), places;
	struct whale *whale;
	char *target = NULL;

	lock_take(&lock);
	whale = record_take();
	if (whale)
		target = places_reserve(bytes, &places);
	if (target && os_lift(from, held, target, bytes)) {
		whale_place(whale, target, bytes, places);
		whale->live = true;
		live_bytes += bytes;
	} else {
		if (target)
			window_release(target, places);
		if (whale)
			record_put(whale);
		target = NULL;
	}
	lock_drop(&lock);
	if (!target)
		return NULL;
	stat_add_shared(&stat_shared.mremap_calls, 2);
	stat_add_shared(&stat_shared.realloc_moved, 1);
	window_count((int64_t)bytes);
	return target;
}

void whale_release(size_t bytes)
{
	size_t released = 0;

	lock_take(&lock);
	clock++;
	while (oldest && released < bytes && clock - oldest->born > AGE_RELEASED) {
		struct whale *gone = oldest;

		released += gone->bytes;
		kept_remove(gone);
		whale_unmap(gone);
	}
	lock_drop(&lock);
}

size_t whale_live_bytes(void)
{
	return atomic_load_explicit(&live_bytes, memory_order_relaxed);
}

size_t whale_kept_bytes(void)
{
	return atomic_load_explicit(&kept_bytes, memory_order_relaxed);
}

size_t whale_tick(bool all)
{
	size_t bytes;

	lock_take(&lock);
	clock++;
	bytes = kept_age(all ? 0 : AGE_MOST);
	lock_drop(&lock);
	return bytes;
}

void whale_fork_prepare(void)
{
	lock_take(&lock);
}

void whale_fork_done(void)
{
	lock_drop(&lock);
}
