/* What the numbers in a trace's rows stand for, as text that is made once and kept. */
#ifndef TRACE_NAMES_H
#define TRACE_NAMES_H

#include "symbol.h"

struct names {
	const struct trace_module *modules;
	const struct trace_site *sites;
	const struct trace_thread *threads;
	const char *const *marks;
	size_t n_modules, n_sites, n_threads, n_marks;
	char **labels; /* of sites; NULL until asked for */
	bool symbolic; /* sites are named by their functions */
	struct symbols symbols;
};

/* The trace must stay open until the fini. Returns 0 or -ENOMEM. */
int names_init(struct names *n, const struct trace *trace);
void names_fini(struct names *n);

/* Names sites by functions from now on; tell as in symbols_init(). Returns 0 or -ENOMEM. */
int names_symbolise(struct names *n, const struct trace *trace, void (*tell)(const char *sentence));

/*
 * "libc.so.6+0x2a1b0@2064": module's file name, offset, height. "0x7f31c@0" is an address in no
 * known module, "-" an unknown site. By functions: "grow (list.h:20) < main (app.c:7)@96", the
 * innermost inlined call first, "malloc_hook@96" where there are no lines.
 */
const char *names_site(struct names *n, uint32_t site);

/* The lines of a site, as symbols_find() gives them; 0: not known, or names are not symbolic. */
size_t names_lines(struct names *n, uint32_t site, const struct symbol_line **lines);

/* The text of a user mark, "" when unknown. */
const char *names_mark(const struct names *n, uint64_t number);

/* The flags of a row, "moved,repaired"; NULL when there are none. */
const char *names_flags(uint8_t flags);

#endif
