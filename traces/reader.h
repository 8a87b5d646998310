/* A trace that is read: what opening it found out. */
#ifndef READER_H
#define READER_H

#include "decoder.h"
#include "frame.h"
#include "header.h"
#include "index.h"
#include "tables.h"

#include <pthread.h>
#include <stdatomic.h>

#define READER_ERROR_BYTES 1024

struct trace {
	int fd;
	bool complete;
	bool ended; /* the last frame was read */
	uint64_t file_bytes;
	struct index index; /* of the whole frames that can be used */
	struct tables tables;
	struct trace_totals totals;
	struct frame_taker *taker;
	char *name;
	char error[READER_ERROR_BYTES]; /* of opening */
	pthread_mutex_t lock;           /* guards the two below, which any cursor may set */
	_Atomic bool cursor_failed;
	char cursor_error[READER_ERROR_BYTES];
};

/* Sets the trace's error to a sentence that begins with the file's name. Returns status. */
__attribute__((format(printf, 3, 4))) int reader_fail(struct trace *t, int status,
						      const char *format, ...);

/*
 * Fills the index from the file's own; -ENODATA: there is none (the file is cut short or growing),
 * -EBADMSG: it is damaged. The error is set and scanning may go on where this failed.
 */
int reader_find_index(struct trace *t);

/* Fills the index by going from frame to frame, up to the first that is cut or damaged. */
int reader_scan(struct trace *t);

/* Reads a frame's content; 0, -ENOMEM, -EBADMSG with *why set, or another errno. */
int reader_frame(const struct trace *t, const struct index_entry *entry, struct frame_taker *taker,
		 struct bytes *raw, struct bytes *content, const char **why);

#endif
