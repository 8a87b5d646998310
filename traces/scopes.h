/*
 * The functions that an address is in, by a module's DWARF: the one that was compiled there, and
 * those that were inlined into it.
 */
#ifndef TRACE_SCOPES_H
#define TRACE_SCOPES_H

#include <elfutils/libdwfl.h>
#include <stddef.h>
#include <stdint.h>

#define SCOPES_DEPTH 64 /* of inlined calls in each other; those further in are left out */

/* What is not known is NULL or 0; the texts live as long as the module. */
struct scope {
	uint64_t key;            /* of the function: equal for each place where it was inlined */
	const char *name;        /* as in the source */
	const char *system_name; /* the linker's, where it has another */
	const char *file;        /* where the address is, or where the inlined call stands */
	uint32_t line;
};

struct scopes;

/* Returns NULL when the module has no DWARF, or there is no memory. */
struct scopes *scopes_create(Dwfl_Module *module);
void scopes_destroy(struct scopes *s);

/*
 * The scopes of an address of libdwfl's, the innermost function first; 0: nothing is known. At
 * most SCOPES_DEPTH.
 */
size_t scopes_find(struct scopes *s, Dwarf_Addr addr, struct scope *scopes);

#endif
