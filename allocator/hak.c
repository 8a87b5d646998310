/* The functions of hakmem.h. */
#include "hakmem.h"

#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "libc.h"
#include "thread.h"
#include "totals.h"

void *hak_malloc(size_t size)
{
	return alloc_fast(size);
}

void hak_free(void *ptr)
{
	free_fast(ptr);
}

void *hak_calloc(size_t count, size_t size)
{
	return libc_calloc(count, size);
}

void *hak_realloc(void *ptr, size_t size)
{
	return libc_realloc(ptr, size);
}

void *hak_memalign(size_t align, size_t size)
{
	return libc_memalign(align, size);
}

void *hak_malloc_at(size_t size, uint64_t site)
{
	(void)site;
	return alloc_fast(size);
}

void *hak_calloc_at(size_t count, size_t size, uint64_t site)
{
	(void)site;
	return libc_calloc(count, size);
}

void *hak_realloc_at(void *ptr, size_t size, uint64_t site)
{
	(void)site;
	return libc_realloc(ptr, size);
}

void *hak_memalign_at(size_t align, size_t size, uint64_t site)
{
	(void)site;
	return libc_memalign(align, size);
}

size_t hak_usable_size(void *ptr)
{
	return alloc_usable(ptr);
}

int hak_trim(size_t keep)
{
	(void)keep; /* Less than a granule per class is kept anyhow. */
	return thread_trim() != 0;
}

const char *hak_version(void)
{
	return HAK_VERSION;
}

int hak_stats_get(struct hak_stats *stats)
{
	uint32_t size = stats->size;
	struct hak_stats sum;

	if (size < offsetof(struct hak_stats, mapped_bytes))
		return -EINVAL;
	totals_stats(&sum);
	memcpy(stats, &sum, size < sizeof(sum) ? size : sizeof(sum));
	stats->size = size;
	return 0;
}
