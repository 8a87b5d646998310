/*
 * Kept blocks: what a site whose rule says `keep` has freed of large blocks stays mapped, pages and
 * all, until the same site asks again. Each is a Whale, whatever its size. Bounded: a site's living
 * and kept blocks together are never more than it once had alive at the same time.
 */
#ifndef KEEP_H
#define KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sites that can keep, and blocks that each can have, alive and kept. */
#define KEEP_SITES 4096
#define KEEP_MOST  256

/*
 * A block for site number `site` (from 0, below KEEP_SITES), aligned to SLOT. NULL: no memory, or
 * the site has as many as it may; the block then has to come from elsewhere. *zero (may be NULL):
 * all bytes are known to be 0.
 */
void *keep_alloc(unsigned site, size_t size, bool *zero);

/* word: the window's, with WINDOW_POOL and CLASS_WHALE. */
void keep_free(void *ptr, uint32_t word);

/* Gives every kept block back to the system; bytes. */
size_t keep_trim(void);

void keep_fork_prepare(void);
void keep_fork_done(void);

#endif
