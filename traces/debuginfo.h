/*
 * The file that a module's code came from, and what it tells: found by its build id at the
 * recorded path, in /usr/lib/debug/.build-id, or by debuginfod where DEBUGINFOD_URLS names servers;
 * separate debug files by build id, .gnu_debuglink or debuginfod. A file of another build id is
 * never used.
 */
#ifndef TRACE_DEBUGINFO_H
#define TRACE_DEBUGINFO_H

#include "trace.h"

#include <elfutils/libdwfl.h>

struct debuginfo {
	const struct trace_module *of;
	uint64_t start_ns;   /* when the recording began, since 1970; 0: not known */
	Dwfl *dwfl;          /* with this one module */
	Dwfl_Module *module; /* NULL: there is no such file */
	Dwarf_Addr bias;     /* address in module = offset + bias */
	char *problem;       /* the file at the path is another one: a sentence; NULL: it is not */
};

/* The module must outlive the debuginfo; start_ns tells whether a file without a build id was
 * changed since. */
void debuginfo_open(struct debuginfo *d, const struct trace_module *module, uint64_t start_ns);
void debuginfo_close(struct debuginfo *d);

#endif
