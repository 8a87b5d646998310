/*
 * Names of functions: from the symbol tables of the trace's modules, where the very file (the same
 * build id) is still at its path, or its debug file under /usr/lib/debug. Files are read when first
 * asked for.
 */
#ifndef TRACE_SYMBOL_H
#define TRACE_SYMBOL_H

#include "trace.h"

struct symbol {
	uint64_t offset; /* of its first byte, less the module's base_addr */
	uint64_t size_bytes;
	const char *system_name; /* the linker's */
	const char *name;        /* for people: C++ demangled */
	uint32_t number;         /* free for callers to use; 0 at first */
	uint8_t rank;
};

struct symbol_table;

struct symbols {
	const struct trace_module *modules;
	struct symbol_table *tables; /* one a module */
	size_t n;
};

/* The trace must stay open until the fini. Returns 0 or -ENOMEM. */
int symbols_init(struct symbols *s, const struct trace *trace);
void symbols_fini(struct symbols *s);

/* The function that holds the byte at offset, or NULL when that is not known. */
struct symbol *symbols_find(struct symbols *s, uint32_t module, uint64_t offset);

#endif
