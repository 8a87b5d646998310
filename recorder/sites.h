/* The sites of one process: what its numbers mean, and the trace's numbers for them. */
#ifndef RECORDER_SITES_H
#define RECORDER_SITES_H

#include "traces/trace.h"

#define SITES_UNDEFINED (TRACE_NO_SITE - 1)
#define SITES_UNCODED   ((uint64_t)1 << 63)
#define SITES_STACKS    8 /* kept of one site; of others it is known that they were met */

struct site {
	uint64_t addr;   /* return address; 0: not told */
	uint32_t number; /* in the trace, SITES_UNDEFINED: not defined yet */
	uint32_t height;
	uint32_t module;  /* index in the process's modules, TRACE_NO_MODULE: in none */
	uint32_t samples; /* of its stack */
	uint32_t stack;   /* index + 1 of the last one kept; 0: none */
};

/* A stack that was met at a site. */
struct site_stack {
	uint64_t print;  /* of its addresses: equal for equal stacks */
	uint32_t number; /* in the trace */
	uint32_t samples;
	uint32_t site;
	uint32_t before; /* index + 1 of the one kept before at the site; 0: none */
};

struct sites {
	struct site *all;
	uint64_t *
		codes; /* what stands for them in a row (encoder.h), SITES_UNCODED: nothing (yet) */
	size_t count;  /* sites below this one are there; of the first one nothing is known */
	size_t room;
	struct site_stack *stacks;
	size_t n_stacks, stacks_room;
};

/* Returns 0 or -ENOMEM. */
int sites_init(struct sites *s);
int sites_copy(struct sites *to, const struct sites *from);
void sites_fini(struct sites *s);

/* The process says what its number means. Returns 0 or -ENOMEM. */
int sites_tell(struct sites *s, uint32_t number, const struct site *site);

/* The trace's number for a site. */
void sites_define(struct sites *s, uint32_t site, uint32_t number);

/* A stack was met at a site. False: it has to be kept, by sites_keep(), if there is room. */
bool sites_meet(struct sites *s, uint32_t site, uint64_t print);

/* Whether the site may keep one more stack; sites_keep() says its number in the trace. */
bool sites_room(const struct sites *s, uint32_t site);
int sites_keep(struct sites *s, uint32_t site, uint64_t print, uint32_t number);

/* Writes how often each stack was met. */
int sites_write_samples(const struct sites *s, struct trace_writer *writer);

#endif
