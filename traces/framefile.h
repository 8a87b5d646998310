/*
 * The file of a trace that is being written: whole frames only, below a limit, and at its end the
 * index of them all.
 */
#ifndef TRACE_FRAMEFILE_H
#define TRACE_FRAMEFILE_H

#include "bytes.h"
#include "frame.h"
#include "index.h"

#include <stdbool.h>
#include <stdint.h>

#define FRAMEFILE_END_FACTS 4096 /* bytes of facts that a full file still takes */

struct framefile {
	int fd;               /* -1: none */
	bool regular;         /* can be cut back to its last whole frame */
	bool full;            /* a frame did not fit below the limit */
	uint64_t limit;       /* bytes of the whole file, 0: any */
	uint64_t written;     /* bytes of whole frames in the file */
	struct bytes content; /* of the next frame */
	struct bytes frame;
	struct frame_maker *maker;
	struct index index;
};

/* All return 0 or a negative errno. framefile_fini() only after a framefile_init() that did. */
int framefile_init(struct framefile *file);
void framefile_fini(struct framefile *file);

/* Creates or empties a file ("-": standard output). -EBUSY: another program is writing it. */
int framefile_open(struct framefile *file, const char *path);

/* Owns an open descriptor from now on. */
int framefile_adopt(struct framefile *file, int fd);

/* Makes a frame of the content, which is empty then. -EFBIG with `full` set: it does not fit. */
int framefile_write(struct framefile *file, struct index_entry entry);

/* Ends the file: behind the last frame, index and seek table. */
int framefile_end(struct framefile *file);

int framefile_close(struct framefile *file);

/* There is a frame, which is the header. */
static inline bool framefile_headed(const struct framefile *file)
{
	return file->index.n_entries;
}

#endif
