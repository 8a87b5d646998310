/* What a call gets whose site has a rule. Each counts the call. */
#ifndef OBEY_H
#define OBEY_H

#include "rule.h"

/* As malloc, calloc (of bytes), memalign (align: a power of two) and realloc of a block (size not
 * 0). */
void *obey_alloc(const struct rule *rule, size_t size);
void *obey_zeroed(const struct rule *rule, size_t size);
void *obey_aligned(const struct rule *rule, size_t align, size_t size);
void *obey_resize(const struct rule *rule, void *ptr, size_t size);

#endif
