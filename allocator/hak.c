/* The functions of hakmem.h. */
#include "hakmem.h"

#include <errno.h>
#include <string.h>

#include "alloc.h"
#include "libc.h"
#include "obey.h"
#include "route.h"
#include "rule.h"
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

/* What the fast path does not serve, of a site: all of it when rules are loaded. */
static __attribute__((noinline)) void *malloc_at_slow(size_t size, uint64_t site)
{
	const struct rule *rule = rule_for(site);

	if (rules.count && !rule)
		return route.plain(size);
	return rule ? obey_alloc(rule, size) : alloc_slow(size);
}

void *hak_malloc_at(size_t size, uint64_t site)
{
	void *ptr = alloc_fast_else(size, NULL);

	return __builtin_expect(ptr != NULL, 1) ? ptr : malloc_at_slow(size, site);
}

void *hak_calloc_at(size_t count, size_t size, uint64_t site)
{
	const struct rule *rule = rule_for(site);
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return libc_fail(ENOMEM);
	return rule ? obey_zeroed(rule, bytes) : alloc_zeroed(bytes);
}

void *hak_realloc_at(void *ptr, size_t size, uint64_t site)
{
	const struct rule *rule = rule_for(site);

	if (!ptr)
		return hak_malloc_at(size, site);
	return rule && size ? obey_resize(rule, ptr, size) : libc_realloc(ptr, size);
}

void *hak_memalign_at(size_t align, size_t size, uint64_t site)
{
	const struct rule *rule = align > 16 ? rule_for(site) : NULL;

	if (align <= 16)
		return hak_malloc_at(size, site);
	if (rule && !(align & (align - 1)))
		return obey_aligned(rule, align, size);
	return libc_memalign(align, size);
}

void *hak_valloc_at(size_t size, uint64_t site)
{
	return hak_memalign_at(os_page(), size, site);
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
