/*
 * What --check writes into blocks and expects to find again: eight-byte words that depend on the
 * object and on the place in the block, so that no block's content is another's.
 */
#ifndef REPLAYER_PATTERN_H
#define REPLAYER_PATTERN_H

#include <stddef.h>
#include <stdint.h>

void pattern_fill(void *ptr, size_t size, uint64_t identity);

/* Offset of the first byte that is not as filled; size when all are. */
size_t pattern_differs(const void *ptr, size_t size, uint64_t identity);

/* Offset of the first byte that is not zero; size when all are. */
size_t pattern_nonzero(const void *ptr, size_t size);

#endif
