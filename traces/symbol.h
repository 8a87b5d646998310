/*
 * Names of functions: function, file and line of the code at an address, with the calls that were
 * inlined there, from the debug information of the trace's modules, else from their symbol tables.
 * Files are looked for (debuginfo.h) and read when first asked for.
 */
#ifndef TRACE_SYMBOL_H
#define TRACE_SYMBOL_H

#include "trace.h"

/* A function. */
struct symbol {
	const char *system_name; /* the linker's */
	const char *name;        /* for people: C++ demangled */
	uint32_t number;         /* free for callers to use; 0 at first */
};

/* A place in the source. */
struct symbol_line {
	struct symbol *symbol;
	const char *file; /* NULL: not known */
	uint32_t line;    /* 0: not known */
};

struct symbol_table;

struct symbols {
	const struct trace_module *modules;
	struct symbol_table *tables; /* one a module */
	size_t n;
	uint64_t start_ns;
	void (*tell)(const char *sentence);
};

/*
 * The trace must stay open until the fini. tell is called once for each module whose file is there
 * but is not the one that was recorded; it may be NULL. Returns 0 or -ENOMEM.
 */
int symbols_init(struct symbols *s, const struct trace *trace, void (*tell)(const char *sentence));
void symbols_fini(struct symbols *s);

/*
 * The lines of the byte at offset, until the fini: the innermost inlined call first, the function
 * that was compiled there last. Their number is 0 when nothing is known.
 */
size_t symbols_find(struct symbols *s, uint32_t module, uint64_t offset,
		    const struct symbol_line **lines);

/* Why a module's functions are not named, as told; NULL: nothing speaks against it. */
const char *symbols_problem(const struct symbols *s, uint32_t module);

#endif
