/*
 * A little memory for calls that come while the real functions are being looked up. Blocks are
 * zero, aligned to 16 bytes or more, and never reused.
 */
#ifndef RECORDER_BOOTSTRAP_H
#define RECORDER_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>

void *bootstrap_alloc(size_t size, size_t align); /* NULL when there is no room */
bool bootstrap_owns(const void *ptr);
bool bootstrap_used(void);
size_t bootstrap_size(const void *ptr); /* bytes that may be read from ptr on */

#endif
