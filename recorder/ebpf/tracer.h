/*
 * The kernel part as hakrec handles it: loads the programs, puts probes into files, empties the
 * ring. Closing it takes everything out of the kernel again.
 *
 * Functions that can fail return 0 or a negative errno and leave a sentence for tracer_error().
 */
#ifndef RECORDER_TRACER_H
#define RECORDER_TRACER_H

#include "entrances.h"
#include "ring.h"
#include "uprobes.h"

struct tracer;

struct tracer_options {
	uint64_t ring_bytes;        /* a power of two, at least TRACER_RING_MIN */
	bool follow;                /* children too; else probes only hit the one process */
	bool lossless;              /* stop the program rather than drop calls */
	bool soon;                  /* the first probes follow at once: uprobes_herald() */
	enum uprobes_method method; /* no better than this: older kernels' ways can be tried */
};

#define TRACER_RING_MIN ((uint64_t)1 << 20)

/* *tracer is set even on failure (NULL: out of memory), for tracer_error(). */
int tracer_open(struct tracer **tracer, const struct tracer_options *options);
void tracer_close(struct tracer *t);
const char *tracer_error(const struct tracer *t);

/* Follows a process, its threads and, unless told not to, its children. */
int tracer_follow(struct tracer *t, uint32_t pid);

/* From now on probes only hit this process, where the kernel can tell. */
void tracer_only(struct tracer *t, uint32_t pid);

/* Puts probes on a file's functions. */
int tracer_probe(struct tracer *t, int fd, const struct entrances *target);

/* The file has been looked at: processes that map it need not wait any more. */
int tracer_know(struct tracer *t, uint64_t device, uint64_t inode);

/*
 * Hands over messages in their order, until the ring is empty or visit returns a negative number.
 * Waits up to timeout_ms when there is none. Returns 0, what visit returned, or a negative errno.
 */
int tracer_read(struct tracer *t, int timeout_ms,
		int (*visit)(void *context, const struct ring_head *message, size_t bytes),
		void *context);

/* Stops recording and takes the probes out; what is in the ring stays to be read. */
void tracer_stop(struct tracer *t);

/* The bits of the places whose next call's stack is to be told: see RING_WANTED(). */
uint32_t *tracer_wanted(struct tracer *t);

/* Calls dropped so far for want of room. */
uint64_t tracer_lost(const struct tracer *t);

/* Processes that could not be followed: more than RING_PROCESSES at once. */
uint32_t tracer_unfollowed(const struct tracer *t);

/* Takes one thread's calls that were dropped and that no message has told. False: there are none.
 */
bool tracer_lost_next(struct tracer *t, uint32_t *tid, uint32_t *count);

/* Takes those of a process's threads whose end no message has told either. */
uint32_t tracer_buried(struct tracer *t, uint32_t pid);

#endif
