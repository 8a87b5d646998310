#include "counters.h"

#include "proof.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

static void add(struct run_outcome *outcome, const char *name, uint64_t value)
{
	struct run_counter *counter = &outcome->counters[outcome->n_counters];

	if (outcome->n_counters == RUN_COUNTERS)
		return;
	snprintf(counter->name, sizeof(counter->name), "%s", name);
	counter->value = value;
	outcome->n_counters++;
}

/* A function of the allocator's own library, stored through *to; false when it has none. */
static bool find(const char *name, const void *owner, void *to)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);

	if (!symbol || proof_base(symbol) != owner)
		return false;
	memcpy(to, &symbol, sizeof(symbol));
	return true;
}

static bool hakmem_read(struct run_outcome *outcome, const void *owner)
{
	struct hak_stats stats = {.size = sizeof(stats)};
	int (*get)(struct hak_stats * stats);

	if (!find("hak_stats_get", owner, &get))
		return false;
	if (get(&stats))
		return true;
#define FIELD(field, what) add(outcome, #field, stats.field);
	HAK_STATS(FIELD)
#undef FIELD
	return true;
}

static bool jemalloc_read(struct run_outcome *outcome, const void *owner)
{
	static const char *const names[] = {
		"stats.allocated", "stats.active",
		"stats.metadata",  "stats.resident",
		"stats.mapped",    "stats.retained",
		"arenas.narenas",  "stats.background_thread.num_threads",
	};
	int (*control)(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);
	uint64_t epoch = 1;

	if (!find("mallctl", owner, &control))
		return false;
	control("epoch", NULL, NULL, &epoch, sizeof(epoch));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		uint64_t value = 0;
		size_t bytes = sizeof(value);
		uint32_t small = 0;
		size_t small_bytes = sizeof(small);

		if (!control(names[i], &value, &bytes, NULL, 0))
			add(outcome, names[i], value);
		else if (!control(names[i], &small, &small_bytes, NULL, 0))
			add(outcome, names[i], small);
	}
	return true;
}

static bool tcmalloc_read(struct run_outcome *outcome, const void *owner)
{
	static const char *const names[] = {
		"generic.current_allocated_bytes",
		"generic.heap_size",
		"generic.total_physical_bytes",
		"tcmalloc.central_cache_free_bytes",
		"tcmalloc.transfer_cache_free_bytes",
		"tcmalloc.thread_cache_free_bytes",
		"tcmalloc.pageheap_free_bytes",
		"tcmalloc.pageheap_unmapped_bytes",
		"tcmalloc.pageheap_committed_bytes",
		"tcmalloc.pageheap_reserve_count",
		"tcmalloc.pageheap_commit_count",
		"tcmalloc.pageheap_decommit_count",
		"tcmalloc.current_total_thread_cache_bytes",
		"tcmalloc.max_total_thread_cache_bytes",
	};
	int (*get)(const char *name, size_t *value);

	if (!find("MallocExtension_GetNumericProperty", owner, &get))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t value = 0;

		if (get(names[i], &value))
			add(outcome, names[i], value);
	}
	return true;
}

static bool mimalloc_read(struct run_outcome *outcome, const void *owner)
{
	static const char *const names[] = {
		"elapsed_msecs", "user_msecs",     "system_msecs", "current_rss",
		"peak_rss",      "current_commit", "peak_commit",  "page_faults",
	};
	size_t v[8] = {0};
	void (*info)(size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *,
		     size_t *);

	if (!find("mi_process_info", owner, &info))
		return false;
	info(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		add(outcome, names[i], v[i]);
	return true;
}

static void libc_read(struct run_outcome *outcome, const void *owner)
{
	struct mallinfo2 (*get)(void);
	struct mallinfo2 info;

	if (!find("mallinfo2", owner, &get))
		return;
	info = get();
	add(outcome, "arena", info.arena);
	add(outcome, "ordblks", info.ordblks);
	add(outcome, "smblks", info.smblks);
	add(outcome, "hblks", info.hblks);
	add(outcome, "hblkhd", info.hblkhd);
	add(outcome, "fsmblks", info.fsmblks);
	add(outcome, "uordblks", info.uordblks);
	add(outcome, "fordblks", info.fordblks);
	add(outcome, "keepcost", info.keepcost);
}

void counters_read(struct run_outcome *outcome, const void *owner)
{
	if (owner && !hakmem_read(outcome, owner) && !jemalloc_read(outcome, owner) &&
	    !mimalloc_read(outcome, owner) && !tcmalloc_read(outcome, owner))
		libc_read(outcome, owner);
}
