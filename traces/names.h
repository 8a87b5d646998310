/* What the numbers in a trace's rows stand for, as text that is made once and kept. */
#ifndef TRACE_NAMES_H
#define TRACE_NAMES_H

#include "trace.h"

struct names {
	const struct trace_module *modules;
	const struct trace_site *sites;
	const struct trace_thread *threads;
	const char *const *marks;
	size_t n_modules, n_sites, n_threads, n_marks;
	char **labels; /* of sites; NULL until asked for */
};

/* The trace must stay open until the fini. Returns 0 or -ENOMEM. */
int names_init(struct names *n, const struct trace *trace);
void names_fini(struct names *n);

/*
 * "libc.so.6+0x2a1b0@2064": module's file name, offset, height. "0x7f31c@0" is an address in no
 * known module, "-" an unknown site.
 */
const char *names_site(struct names *n, uint32_t site);

/* The text of a user mark, "" when unknown. */
const char *names_mark(const struct names *n, uint64_t number);

/* The flags of a row, "moved,repaired"; NULL when there are none. */
const char *names_flags(uint8_t flags);

#endif
