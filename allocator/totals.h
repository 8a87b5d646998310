/* What the whole allocator counts and holds, summed over its parts; and the report at exit. */
#ifndef TOTALS_H
#define TOTALS_H

#include <stddef.h>

#include "hakmem.h"

/* All fields of this version. */
void totals_stats(struct hak_stats *stats);

/* Bytes of blocks outside slabs, spans and kept regions: the program's, and those in thread caches.
 */
size_t totals_live_bytes(void);

/* The counters as text on standard error. */
void totals_print(void);

#endif
