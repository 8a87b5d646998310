/* The code that was mapped into one process, and the trace's numbers of it. */
#ifndef RECORDER_MODULES_H
#define RECORDER_MODULES_H

#include "traces/trace.h"

#include <sys/types.h>

struct module {
	char *path;     /* "": code that is of no file */
	char *build_id; /* hexadecimal */
	uint64_t base_addr;
	uint64_t first_addr, end_addr;
	uint32_t number; /* in the trace, TRACE_NO_MODULE: not defined yet */
	bool mapped;     /* as far as is known */
};

struct modules {
	struct module *all;
	size_t count, room;
	size_t last; /* found last */
};

int modules_copy(struct modules *to, const struct modules *from);
void modules_fini(struct modules *m);

/* Adds what is not known yet, and drops what it lies upon. build_id: raw bytes. */
int modules_add(struct modules *m, const struct module *module, const void *id, size_t id_bytes);

/* Adds what /proc/PID/maps shows, and no longer looks into what it does not show. */
int modules_refresh(struct modules *m, pid_t pid);

/* The module that begins at an address is no longer there. */
void modules_unmap(struct modules *m, uint64_t first_addr);

/* The mapped module that an address lies in, or NULL. Valid until a change. */
struct module *modules_find(struct modules *m, uint64_t addr);

/* The module's number in a trace, defining it there the first time; TRACE_NO_MODULE for code of no
 * file; or a negative errno. */
int64_t modules_number(struct module *module, struct trace_writer *writer);

#endif
