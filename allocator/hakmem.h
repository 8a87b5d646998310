/*
 * hakmem: a general-purpose allocator. Preload libhakmem.so, or link it and use malloc as ever; the
 * functions below are for programs that want hakmem by name, call sites, or counters.
 *
 * Blocks of hak_* and of malloc are the same: each may be freed by either family.
 */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HAK_API __attribute__((visibility("default")))
#else
#define HAK_API
#endif

/* As malloc, calloc, realloc, memalign, free of the C library: same results, same errno. */
HAK_API void *hak_malloc(size_t size);
HAK_API void *hak_calloc(size_t count, size_t size);
HAK_API void *hak_realloc(void *ptr, size_t size);
HAK_API void *hak_memalign(size_t align, size_t size);
HAK_API void hak_free(void *ptr);

/* The same for the call site `site`, a key of traces/sitekey.h; 0 is "no site". */
HAK_API void *hak_malloc_at(size_t size, uint64_t site);
HAK_API void *hak_calloc_at(size_t count, size_t size, uint64_t site);
HAK_API void *hak_realloc_at(void *ptr, size_t size, uint64_t site);
HAK_API void *hak_memalign_at(size_t align, size_t size, uint64_t site);
HAK_API void *hak_valloc_at(size_t size, uint64_t site);

/* Bytes that may be used at ptr: at least the size asked for; 0 for NULL. */
HAK_API size_t hak_usable_size(void *ptr);

/* Returns free memory to the system; 1 if any was returned. `keep` bytes may stay. */
HAK_API int hak_trim(size_t keep);

/* "0.1.0" */
HAK_API const char *hak_version(void);

/* Keys of HAKMEM_OPTIONS=key=value,...: X(key). */
#define HAK_OPTIONS(X) X(tls) X(tiny) X(l25) X(whale) X(rules) X(learn) X(stats)

/*
 * Every counter, in the order of struct hak_stats: X(field, what it counts). Counts since the start
 * of the process, summed over all threads; fields in _bytes named "mapped", "cached" are of this
 * moment.
 */
/* clang-format off */
#define HAK_STATS(X)                                                                                \
	X(mapped_bytes,         "address space mapped now")                                         \
	X(mapped_peak_bytes,    "the most address space mapped at once")                            \
	X(heaps_created,        "heaps made")                                                       \
	X(heaps_adopted,        "dead threads' heaps taken over by a new thread")                   \
	X(heaps_merged,         "dead threads' heaps merged into the heap of the thread that frees") \
	X(heaps_drained,        "dead threads' heaps drained for want of an adopter")               \
	X(refills,              "times a thread cache was refilled from slabs")                     \
	X(refill_blocks,        "blocks moved by refills")                                          \
	X(flushes,              "times a thread cache was flushed to slabs")                        \
	X(flush_blocks,         "blocks moved by flushes")                                          \
	X(remote_frees,         "blocks freed by a thread that does not own their slab")            \
	X(remote_batches,       "atomic operations that handed remote frees over")                  \
	X(remote_drained,       "remote frees taken in by the owner")                               \
	X(remote_stolen,        "remote frees reused before their owner took them in")              \
	X(slabs_created,        "slabs formatted")                                                  \
	X(slabs_retired,        "slabs given back as spans")                                        \
	X(spans_taken,          "spans and Whales taken from a shard")                                         \
	X(spans_returned,       "spans given back to a shard")                                      \
	X(large_allocs,         "L2.5 blocks handed out past the thread cache")                     \
	X(large_hits,           "of these, from spans still kept by the thread")                    \
	X(whale_allocs,         "Whale blocks handed out")                                          \
	X(whale_hits,           "of these, from memory that was in use before")                                      \
	X(whale_kept_bytes,     "bytes of freed Whales that are kept whole for reuse")                        \
	X(mmap_calls,           "system calls that mapped memory")                                  \
	X(munmap_calls,         "system calls that unmapped memory")                                \
	X(mremap_calls,         "system calls that moved or resized a mapping")                     \
	X(purge_calls,          "system calls that returned pages and kept the addresses")          \
	X(purged_bytes,         "bytes returned by them")                                           \
	X(realloc_in_place,     "large reallocs that kept their address")                           \
	X(realloc_moved,        "large reallocs that moved pages instead of copying")               \
	X(zero_skipped_bytes,   "bytes that calloc did not clear, known to be zero")                \
	X(lock_waits,           "times a thread slept or spun for a lock")                          \
	X(atomic_retries,       "compare-and-swaps that had to be repeated")                        \
	X(shards_used,          "shards that own a segment")                                         \
	X(unmapped_bytes,       "bytes of address space given back, in all")                        \
	X(learn_epochs,         "epochs of learning that have ended")                               \
	X(learn_setting,        "number of the setting that learning took most often")              \
	X(rules_loaded,         "site rules read from rules=FILE")                                  \
	X(rule_calls,           "calls of sites that have a rule")                                  \
	X(rule_keep_hits,       "large blocks that a site's rule had kept for it")                  \
	X(rule_grow_hits,       "reallocs to less than half a block, kept as room to grow")         \
	X(rule_pool_blocks,     "blocks out of a rule's pool, past its thread's others")
/* clang-format on */

#define HAK_STATS_VERSION 1

struct hak_stats {
	uint32_t size;    /* set by the caller: sizeof(struct hak_stats) */
	uint32_t version; /* set by the library: HAK_STATS_VERSION */
#define HAK_STATS_FIELD(field, text) uint64_t field;
	HAK_STATS(HAK_STATS_FIELD)
#undef HAK_STATS_FIELD
};

/* Fills the fields that fit into stats->size; 0, or -EINVAL when size is smaller than the two
 * heads. */
HAK_API int hak_stats_get(struct hak_stats *stats);

/* A part of hakmem that HAKMEM_OPTIONS can switch off. */
struct hak_part {
	char option[16];     /* "tiny" */
	char off[32];        /* what switches it off: "tiny=0" */
	uint32_t on;         /* now */
	uint64_t from_bytes; /* sizes of the blocks that it serves ... */
	uint64_t to_bytes;   /* ... up to this one */
};

/* Fills in the part of that number, counted from 0; -ENOENT past the last one. */
HAK_API int hak_part_get(unsigned number, struct hak_part *part);

#ifdef __cplusplus
}
#endif

#endif
