/* Decodes blocks into columns of rows, checking every number. */
#ifndef DECODER_H
#define DECODER_H

#include "block.h"
#include "bytes.h"
#include "trace.h"

/* What a block's head says of it. */
struct block_head {
	uint32_t rows;
	uint64_t first_row;
	uint64_t first_object;
	uint64_t objects; /* born in this block */
	uint64_t first_ns;
	uint64_t last_ns;
};

/* Columns in one piece of memory, with room for `room` rows. */
struct rows {
	struct trace_batch batch; /* points into memory */
	size_t room;
	void *memory;
	struct trace_resident *born, *died; /* batch.born and died */
	size_t born_room, died_room;
	void *addr; /* the column's place in memory: batch.addr is NULL for blocks without it */
};

/* What numbers in a block may refer to. */
struct decoder_limits {
	size_t threads;
	size_t sites;
	size_t marks;
};

void rows_fini(struct rows *rows);

/* Takes the head off the window, which is a block's content; false when it is damaged. */
bool decoder_head(struct window *w, struct block_head *head);

/*
 * Decodes a block's content; *head is what it says of itself. Returns 0, -ENOMEM or -EBADMSG; *why
 * says what is wrong. rows must be zeroed or hold an earlier block, whose memory is used again.
 */
int decoder_block(struct window w, const struct decoder_limits *limits, struct rows *rows,
		  struct block_head *head, const char **why);

#endif
