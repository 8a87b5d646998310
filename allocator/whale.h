/*
 * Whales that are mappings of their own in the window: blocks beyond stretches, and those that
 * grew, that a rule keeps or that are aligned to more than a granule. Freed ones are kept for
 * reuse, bounded in number, bytes and age.
 */
#ifndef WHALE_H
#define WHALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* kept: most regions kept; 0 unmaps every one at its free. */
void whale_init(unsigned kept);

/* NULL: no memory. align: a power of two. *zero (may be NULL): all bytes are known to be 0. */
void *whale_alloc(size_t size, size_t align, bool *zero);
void whale_free(void *ptr);
size_t whale_usable(const void *ptr);

/* Resizes in place or by moving pages; NULL when neither works and nothing changed. */
void *whale_realloc(void *ptr, size_t size);

/*
 * A region of `size` bytes with room to grow, to which the first `bytes` at `from` move, pages and
 * all; what they leave behind stays mapped. NULL when it cannot.
 */
void *whale_adopt(void *from, size_t bytes, size_t size);

/* A step of upkeep: regions not reused for long go. All of them with `all`; returns the bytes. */
size_t whale_tick(bool all);

/* Fresh memory is about to be used elsewhere: unmaps the oldest kept regions, up to so many bytes.
 */
void whale_release(size_t bytes);

size_t whale_live_bytes(void);
size_t whale_kept_bytes(void);

void whale_fork_prepare(void);
void whale_fork_done(void);

#endif
