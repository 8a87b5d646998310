/*
 * The call chains of a trace's sites, with names and a number for each frame: the stack that was
 * met most often at a site, else the site alone.
 */
#ifndef TRACE_CALLCHAIN_H
#define TRACE_CALLCHAIN_H

#include "idmap.h"
#include "symbol.h"

#define CALLCHAIN_UNKNOWN "[unknown]" /* the name of a site that is not known */

struct callchains {
	const struct trace_module *modules;
	const struct trace_site *sites;
	const struct trace_stack *stacks;
	size_t n_modules, n_sites;
	uint32_t *commonest; /* of each site: number of its stack + 1; 0: none */
	struct symbols symbols;
	struct idmap
		*numbers;  /* of frames, by offset + 1; one map a module and one for no module */
	uint64_t n_frames; /* that have a number */
	struct trace_frame alone;
	struct symbol unnamed;
	struct symbol_line unnamed_line;
	char name[512];
};

/* The trace must stay open until the fini; tell as in symbols_init(). Returns 0 or -ENOMEM. */
int callchains_init(struct callchains *c, const struct trace *trace,
		    void (*tell)(const char *sentence));
void callchains_fini(struct callchains *c);

/*
 * The frames of a site, innermost first, until the next call; their number is 0 for
 * TRACE_NO_SITE. The offsets are return addresses, so that what is called from lies one byte
 * before.
 */
size_t callchains_frames(struct callchains *c, uint32_t site, const struct trace_frame **frames);

/*
 * The lines of a frame, at least one: the innermost inlined call first. Where nothing is known that
 * is one of a function "module+0x1a2b", or "0x7f1a2b" in no module, valid until the next call, and
 * *named is false. named may be NULL.
 */
size_t callchains_lines(struct callchains *c, const struct trace_frame *frame,
			const struct symbol_line **lines, bool *named);

/*
 * The frame's number: frames are counted from 0 as they are first asked for (n_frames tells that
 * one was new). Returns a negative errno when out of memory.
 */
int64_t callchains_number(struct callchains *c, const struct trace_frame *frame);

#endif
