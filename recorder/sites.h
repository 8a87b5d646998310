/* The sites of one process: what its numbers mean, and the trace's numbers for them. */
#ifndef RECORDER_SITES_H
#define RECORDER_SITES_H

#include "traces/trace.h"

#define SITES_UNDEFINED (TRACE_NO_SITE - 1)

struct site {
	uint64_t addr; /* return address; 0: not told */
	uint32_t height;
	uint32_t module; /* index in the process's modules, TRACE_NO_MODULE: in none */
	bool walked;     /* its stack is in the trace */
};

struct sites {
	struct site *all;
	uint32_t *numbers; /* in the trace, SITES_UNDEFINED: not defined yet; of 0 TRACE_NO_SITE */
	size_t count;      /* sites below this one are there */
	size_t room;
};

/* Returns 0 or -ENOMEM. */
int sites_init(struct sites *s);
int sites_copy(struct sites *to, const struct sites *from);
void sites_fini(struct sites *s);

/* The process says what its number means. Returns 0 or -ENOMEM. */
int sites_tell(struct sites *s, uint32_t number, const struct site *site);

#endif
