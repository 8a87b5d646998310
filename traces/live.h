/*
 * The living objects of a trace, by object number. Memory follows the living, not the trace: a page
 * of LIVE_PAGE neighbouring objects is given back when the last of them has died.
 */
#ifndef TRACE_LIVE_H
#define TRACE_LIVE_H

#include "trace.h"

#define LIVE_PAGE 64 /* objects: one bit each of the page's map */

struct live_object {
	uint64_t size;
	uint64_t align;
	uint32_t thread; /* that of its birth */
	uint8_t kind;    /* of its birth: enum trace_kind */
};

struct live_branch;

/* The first five fields are for callers to read, the others private. */
struct live {
	uint64_t next;    /* number of the next object to be born: objects born so far */
	uint64_t objects; /* alive */
	uint64_t bytes;   /* of them */
	uint64_t peak_objects;
	uint64_t peak_bytes;

	struct live_branch **branches;
	size_t n_branches;
	size_t stride;
};

/* Every object carries payload_bytes (zero at birth, 8-byte aligned) for the caller. */
void live_init(struct live *l, size_t payload_bytes);
void live_fini(struct live *l);

/* The object when it is alive, else NULL; valid until its death. */
struct live_object *live_find(const struct live *l, uint64_t object);

static inline void *live_payload(struct live_object *object)
{
	return object + 1;
}

/*
 * An object is born of a row. Returns 0, -EEXIST (this number has had its life), -ERANGE (it is
 * not the next number) or -ENOMEM.
 */
int live_birth(struct live *l, const struct trace_event *event);

/* An object dies. Returns 0, -ESRCH (it is dead already) or -ERANGE (it was not yet born). */
int live_death(struct live *l, uint64_t object);

/*
 * Does to the living what a row does: death first, then birth. *died (may be NULL) is what died,
 * its size, align and kind 0 and its thread that of the row when nothing did. Errors as above; they
 * leave everything as it was, except that a realloc whose birth fails has lost its old object.
 */
int live_apply(struct live *l, const struct trace_event *event, struct live_object *died);

#endif
