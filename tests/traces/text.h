/* A trace as text, everything in it, for comparison. */
#ifndef TEXT_H
#define TEXT_H

#include "traces/trace.h"

/* Prints the trace; returns what trace_cursor_next() returned at the end of its rows: 0 or an
 * error. */
int text_print(FILE *out, struct trace *trace, unsigned jobs);

/*
 * Prints in one line how a damaged trace reads: file, where it failed (open, cut or rows, or
 * "fine"), rows that could be read, the error's sentence.
 */
void text_verdict(FILE *out, const char *path, unsigned jobs);

#endif
