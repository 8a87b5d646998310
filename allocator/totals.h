/* What the whole allocator counts and holds, summed over its parts; and the report at exit. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stddef.h>

#include "hakmem.h"

/* All fields of this version. */
void summary_stats(struct hak_stats *stats);

/* Bytes of blocks outside slabs, spans and kept regions: the program's, and those in thread caches.
 */
size_t summary_live_bytes(void);

/* The counters as text on standard error. */
void summary_print(void);

#endif
