/* The routes of calls when rules are loaded. */
#include "alloc.h"
#include "obey.h"
#include "route.h"
#include "shortage.h"
#include "site.h"

/* The rule of the call whose frame is at base: NULL for nearly all. */
static inline const struct rule *rule_of(const uintptr_t *base)
{
	return __builtin_expect(rule_possible(base[1]), 0) ? site_find(base) : NULL;
}

static inline void *alloc_at(size_t size, const uintptr_t *base)
{
	const struct rule *rule = rule_of(base);

	return rule ? obey_alloc(rule, size) : route.plain(size);
}

static void *sited_alloc(size_t size)
{
	return alloc_at(size, ROUTE_BASE);
}

static void *sited_fresh(size_t size)
{
	void *ptr = alloc_at(size, ROUTE_BASE);

	return __builtin_expect(ptr != NULL, 1) ? ptr : shortage_new(size, 1);
}

static void *sited_zeroed(size_t size)
{
	const struct rule *rule = rule_of(ROUTE_BASE);

	return rule ? obey_zeroed(rule, size) : alloc_zeroed(size);
}

static void *sited_resize(void *ptr, size_t size)
{
	const struct rule *rule = rule_of(ROUTE_BASE);

	return rule ? obey_resize(rule, ptr, size) : alloc_resize(ptr, size);
}

static void *sited_aligned_at(size_t align, size_t size, const uintptr_t *base)
{
	const struct rule *rule = rule_of(base);

	return rule ? obey_aligned(rule, align, size) : alloc_aligned(align, size);
}

static void *sited_aligned(size_t align, size_t size)
{
	return sited_aligned_at(align, size, ROUTE_BASE);
}

static void *sited_alloc_at(size_t size, const uintptr_t *base)
{
	return alloc_at(size, base);
}

const struct route route_sited = {sited_alloc,  sited_fresh, sited_zeroed,   sited_aligned,
				  sited_resize, alloc_plain, sited_alloc_at, sited_aligned_at};
