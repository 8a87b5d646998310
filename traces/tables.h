/* The tables of a trace that is read: its facts and definitions. */
#ifndef TABLES_H
#define TABLES_H

#include "bytes.h"
#include "trace.h"

struct tables_chunk;

struct tables {
	struct trace_module *modules;
	uint64_t *module_keys; /* sitekey.h */
	struct trace_site *sites;
	struct trace_stack *stacks;
	struct trace_left *lefts;
	struct trace_thread *threads;
	const char **marks;
	const char **facts; /* key, value, key, value, ... */
	size_t n_modules, n_sites, n_stacks, n_threads, n_marks, n_facts, n_lefts;
	struct tables_chunk *chunks; /* memory of texts and frames */
	uint64_t text_bytes;
	uint64_t n_frames;
};

/*
 * Takes in records until the window's end. Returns 0, -ENOMEM or -EBADMSG; *why says what is wrong.
 * What was taken in before stays.
 */
int tables_read(struct tables *t, struct window *w, const char **why);
void tables_fini(struct tables *t);

#endif
