/* The calls in one lane of a session, in the order their thread wrote them. */
#ifndef TESTS_STREAM_H
#define TESTS_STREAM_H

#include "recorder/session.h"

#include <stdbool.h>
#include <stdint.h>

enum stream_step {
	STREAM_BIRTH,  /* addr came alive */
	STREAM_DEATH,  /* addr died */
	STREAM_REBIRTH /* addr, whose death came before, did not die: the realloc failed */
};

struct stream {
	const struct session *session;
	uint32_t chunk;
	uint64_t index; /* of the next record */
	uint64_t end;   /* of the first record beyond the chunk */
	uint64_t count;
	uint64_t rank;         /* of the next record */
	uint64_t realloc_addr; /* a realloc has begun; 0: none */
	bool wide;             /* the next call's size stands before it */
	uint64_t wide_size;
	bool deaf; /* jumps of the clock are not heard, only its first value */
	bool begun;
	uint64_t calls;
	uint64_t jumps;
	/* The current step. */
	enum stream_step step;
	uint64_t addr;
	uint64_t at; /* its rank */
};

void stream_open(struct stream *stream, const struct session *session, uint32_t lane, bool deaf);

/* Goes to the next step; false at the end. */
bool stream_next(struct stream *stream);

#endif
