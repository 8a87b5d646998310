#include "keep.h"

#include <string.h>

#include "lock.h"
#include "meta.h"
#include "notice.h"
#include "stat.h"
#include "whale.h"
#include "window.h"

/* A kept block serves a request of no less than such a share of it, and grows to no more than so
 * many times its size. */
#define SHARE 2

struct keep {
	unsigned live, peak; /* blocks in use, now and at most */
	unsigned kept;
	void *blocks[KEEP_MOST]; /* kept ones, the longest kept first */
};

static struct lock lock;
static struct keep *keeps[KEEP_SITES];

static uint32_t word_of(unsigned site)
{
	return site << WINDOW_CLASS_BITS | WINDOW_POOL | CLASS_WHALE;
}

static void *kept_take(struct keep *keep, unsigned at)
{
	void *ptr = keep->blocks[at];

	keep->kept--;
	memmove(keep->blocks + at, keep->blocks + at + 1,
		(keep->kept - at) * sizeof(*keep->blocks));
	return ptr;
}

/* Back to what it would be without rules. */
static size_t kept_drop(struct keep *keep, unsigned at)
{
	void *ptr = kept_take(keep, at);
	size_t bytes = whale_usable(ptr);

	window_set(ptr, CLASS_WHALE);
	whale_free(ptr);
	return bytes;
}

/* The kept block that fits best, else the largest that can be grown; NULL: neither. */
static void *kept_find(struct keep *keep, size_t size)
{
	size_t best_bytes = SIZE_MAX, less_bytes = 0;
	unsigned best = KEEP_MOST, less = KEEP_MOST;
	void *ptr;

	for (unsigned at = 0; at < keep->kept; at++) {
		size_t bytes = whale_usable(keep->blocks[at]);

		if (bytes >= size && bytes / SHARE <= size && bytes < best_bytes) {
			best = at;
			best_bytes = bytes;
		} else if (bytes < size && bytes >= size / SHARE && bytes > less_bytes) {
			less = at;
			less_bytes = bytes;
		}
	}
	if (best < KEEP_MOST)
		return kept_take(keep, best);
	if (less == KEEP_MOST)
		return NULL;
	ptr = whale_realloc(keep->blocks[less], size);
	if (ptr)
		kept_take(keep, less);
	return ptr;
}

static struct keep *keep_of(unsigned site)
{
	if (!keeps[site])
		keeps[site] = meta_take(sizeof(struct keep));
	return keeps[site];
}

void *keep_alloc(unsigned site, size_t size, bool *zero)
{
	struct keep *keep;
	void *ptr = NULL;

	lock_take(&lock);
	keep = keep_of(site);
	if (keep && keep->live < KEEP_MOST) {
		ptr = kept_find(keep, size);
		stat_add_shared(&stat_shared.rule_keep_hits, ptr != NULL);
		if (zero)
			*zero = false;
		if (!ptr)
			ptr = whale_alloc(size, 1, zero);
	}
	if (ptr) {
		window_set(ptr, word_of(site));
		if (++keep->live > keep->peak)
			keep->peak = keep->live;
		/* One more in use: one less may be kept. */
		while (keep->kept && keep->live + keep->kept > keep->peak)
			kept_drop(keep, 0);
	}
	lock_drop(&lock);
	return ptr;
}

void keep_free(void *ptr, uint32_t word)
{
	struct keep *keep = keeps[window_owner(word)];

	lock_take(&lock);
	for (unsigned at = 0; at < keep->kept; at++)
		if (keep->blocks[at] == ptr)
			notice_fatal("double free of", ptr);
	keep->live--;
	keep->blocks[keep->kept++] = ptr;
	lock_drop(&lock);
}

size_t keep_trim(void)
{
	size_t bytes = 0;

	lock_take(&lock);
	for (unsigned site = 0; site < KEEP_SITES; site++)
		while (keeps[site] && keeps[site]->kept)
			bytes += kept_drop(keeps[site], 0);
	lock_drop(&lock);
	return bytes;
}

void keep_fork_prepare(void)
{
	lock_take(&lock);
}

void keep_fork_done(void)
{
	lock_drop(&lock);
}
