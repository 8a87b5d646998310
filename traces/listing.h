/*
 * One row as one line.
 *
 * Text: time_ns, thread number, call, site and, where there are any, flags, separated by tabs:
 *   1200  0  malloc(72) = #0                    libc.so.6+0x2a1b0@2064
 *   1300  0  memalign(100, align 64) = #1       app+0x11d0@96
 *   1400  1  realloc(#0, 300) = #2              app+0x11f0@96           moved
 *   1500  1  realloc(null, 10) = failed         app+0x11f0@96           failed
 *   1600  0  realloc(#2, 0) = freed             -
 *   1700  0  free(#1)                           app+0x1200@96
 *   1750  0  delete sized(#3, 24)               app+0x1200@96
 *   1800  0  free(foreign)                      -                       foreign
 *   1900  2  thread_start(4711, "worker")       -
 * and likewise inherited(72) = #3, thread_exit(), lost(12), mark("text"). An object's address,
 * when recorded, follows its number: #0 at 0x55d0c8f2a2a0; likewise how many of its pages were
 * resident: #0 [32 pages].
 *
 * JSON: one object with the fields of a row (time_ns thread kind size align object old_object addr
 * site flags birth_pages death_pages), the site's module, offset and height, and a mark's text;
 * what does not apply is null. Where names are symbolic also the site's frames: function, file and
 * line of each, the innermost inlined call first.
 */
#ifndef TRACE_LISTING_H
#define TRACE_LISTING_H

#include "names.h"
#include "printer.h"

void listing_text(struct printer *p, struct names *names, const struct trace_event *row,
		  const struct trace_pages *pages);
void listing_json(struct printer *p, struct names *names, const struct trace_event *row,
		  const struct trace_pages *pages);

#endif
