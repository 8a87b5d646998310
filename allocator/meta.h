/* Memory for the allocator's own records: zeroed, never given back, apart from the program's
 * blocks. */
#ifndef META_H
#define META_H

#include <stddef.h>

/* Zeroed memory to begin with, a multiple of a cache line: once, before anything is taken. */
void meta_start(void *chunk, size_t bytes);

/* `bytes` zeroed bytes on a cache line of their own; NULL when the system has none. */
void *meta_take(size_t bytes);

void meta_fork_prepare(void);
void meta_fork_done(void);

#endif
