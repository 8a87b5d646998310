#include "meta.h"

#include "lock.h"
#include "os.h"
#include "stat.h"

#define LINE  ((size_t)64)
#define CHUNK ((size_t)256 << 10)

static struct lock lock;
static char *next;
static size_t left;

void meta_start(void *chunk, size_t bytes)
{
	next = chunk;
	left = bytes;
}

void *meta_take(size_t bytes)
{
	void *ptr = NULL;

	bytes = (bytes + LINE - 1) & ~(LINE - 1);
	lock_take(&lock);
	if (bytes > left) {
		size_t chunk = bytes > CHUNK ? (bytes + OS_PAGE - 1) & ~(OS_PAGE - 1) : CHUNK;
		char *fresh = os_map(chunk);

		if (fresh) {
			stat_add_shared(&stat_shared.mmap_calls, 1);
			next = fresh;
			left = chunk;
		}
	}
	if (bytes <= left) {
		ptr = next;
		next += bytes;
		left -= bytes;
	}
	lock_drop(&lock);
	return ptr;
}

void meta_fork_prepare(void)
{
	lock_take(&lock);
}

void meta_fork_done(void)
{
	lock_drop(&lock);
}
