/* For this library's own readers: decoded memory that outlives the cursor. */
#ifndef CURSOR_H
#define CURSOR_H

#include "decoder.h"

/*
 * Moves the batch that trace_cursor_next() delivered last into *rows, which is the caller's to free
 * by rows_fini(). The batch itself stays readable there.
 */
void cursor_take(struct trace_cursor *cursor, struct rows *rows);

#endif
