/*
 * The allocator's functions in one ELF file (a library, or an executable that carries its own), by
 * the list of traces/calls.h, and where to probe each.
 */
#ifndef RECORDER_ENTRANCES_H
#define RECORDER_ENTRANCES_H

#include "spot.h"
#include "symbols.h"

#define ENTRANCES_MAX 64

struct callee;

struct entrance {
	uint64_t addr, size; /* in the file's own addresses */
	uint64_t kinds;      /* bit k: it is known by the name of kind k (enum trace_kind) */
	uint8_t kind;        /* the lowest of them, which its events carry */
	const struct callee *callee;
	bool returns; /* its result is caught when it returns */
	struct spot spot;
	uint64_t offset; /* of the probed instruction in the file */
	uint64_t cookie; /* ring.h */
};

/* Where an exception begins and where it is caught is probed, too: no function of an allocator. */
#define ENTRANCE_CATCH 62
#define ENTRANCE_RAISE 63

struct entrances {
	struct entrance all[ENTRANCES_MAX];
	size_t count;
	unsigned functions; /* of them, the allocator's */
	unsigned slow;      /* probes on instructions that the kernel must single-step */
	uint64_t thread_end, thread_end_bytes; /* code that empties the cache of a thread */
};

/* Looks for them. Returns 0 or a negative errno; none found is no error. */
int entrances_find(struct entrances *t, const struct symbols *f);

#define ENTRANCES_INTERNAL 255

/*
 * The kind by which the call that returns to addr names the function it calls, to tell apart names
 * that share one address; 0 when that cannot be read from the code (an indirect call);
 * ENTRANCES_INTERNAL when a static program's allocator calls itself behind the program's back, as
 * glibc does to empty the cache of a thread that ends. (In a library the kernel part sees it.)
 */
unsigned entrances_called(const struct entrances *t, const struct symbols *f, uint64_t addr);

#endif
