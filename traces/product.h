/* The file that a command makes from another. */
#ifndef TRACE_PRODUCT_H
#define TRACE_PRODUCT_H

#include <stdbool.h>

/* True when making the file would take the place of the one that is read. */
bool product_is_source(const char *path, const char *source);

/* Removes what was begun and could not be finished, when it is a regular file. */
void product_discard(const char *path);

#endif
