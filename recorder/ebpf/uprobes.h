/* Putting probes into files: the three ways kernels have had for it. */
#ifndef RECORDER_UPROBES_H
#define RECORDER_UPROBES_H

#include "entrances.h"

enum uprobes_method {
	UPROBES_SESSION, /* entry and return in one link for all functions: since 6.13 */
	UPROBES_MULTI,   /* one link for all entries, one for all returns: since 6.6 */
	UPROBES_PERF,    /* two links for each function: since 5.15; the loader needs 5.17 */
};

/* The best way the running kernel has. */
enum uprobes_method uprobes_method(void);

/* What the programs must be loaded as (expected_attach_type) for a method. */
unsigned uprobes_attach_type(enum uprobes_method method);

struct uprobes {
	int *fds; /* links; closing them takes the probes out */
	size_t count;
};

/* Descriptors of the loaded programs; the method says which. */
struct uprobes_programs {
	enum uprobes_method method;
	int session, entry, returns;
};

/*
 * Adds links for a target's functions in the file behind fd. pid: only in this process, 0: in all
 * (always all where the kernel cannot tell threads of a process). Returns 0 or a negative errno.
 */
int uprobes_add(struct uprobes *u, const struct uprobes_programs *programs, int fd,
		const struct entrances *target, uint32_t pid);

/*
 * The kernel has every processor pass its scheduler before it puts a probe in or takes one out,
 * a while, unless it did so for another one just before. This waits for it with a probe that
 * nothing meets; called while the programs are loaded, it spares the first true one the wait.
 */
void uprobes_herald(enum uprobes_method method);

void uprobes_remove(struct uprobes *u);

#endif
