/* The memory file that holds a plan: laid out from a survey, then filled stream by stream. */
#ifndef REPLAYER_PLANFILE_H
#define REPLAYER_PLANFILE_H

#include "plan.h"
#include "survey.h"

#include <stdbool.h>
#include <stddef.h>

/* One stream being written. */
struct stream {
	struct plan_op *begin;
	struct plan_op *next;
	uint64_t entries; /* without operands */
	float *gaps;      /* NULL: none are kept */
	float *next_gap;
	double time_ns; /* of the latest gap's end */
};

struct planfile {
	int fd;
	struct plan *plan; /* the whole file, mapped; holes take no memory */
	struct stream *streams;
	uint32_t *turns;
	uint64_t n_turns;
	uint32_t *epochs;
	uint64_t *keys;
};

/* What there has to be room for, besides what the survey tells. */
struct planfile_room {
	uint32_t epochs; /* skew epochs, 0 for none */
	uint32_t sites;
	bool gaps;
	uint64_t memory_bytes; /* a part ends where it has grown to this ... */
	uint64_t slack_rows;   /* ... at the latest so many rows later */
};

/*
 * Makes the file with room for everything that the survey makes possible. Returns 0 or a negative
 * errno; planfile_close() in any case.
 */
int planfile_open(struct planfile *file, const struct survey *survey,
		  const struct planfile_room *room);

/* Empties it for the next part; the first one of a pass needs a rewind, too. */
void planfile_clear(struct planfile *file);
void planfile_rewind(struct planfile *file);

/* Memory that this part's arrays take. */
uint64_t planfile_bytes(const struct planfile *file);

/* Writes down how long the streams have become. */
void planfile_finish(struct planfile *file);
void planfile_close(struct planfile *file);

/* Appends one entry. */
static inline struct plan_op *stream_put(struct stream *stream, uint32_t slot, uint32_t size,
					 uint32_t code)
{
	*stream->next = (struct plan_op){slot, size, code};
	stream->entries++;
	return stream->next++;
}

/* The next entry is a call that gives a block of which those pages are touched. */
static inline void stream_put_touch(struct stream *stream, struct resident_part part)
{
	*stream->next++ = (struct plan_op){part.from, part.to, PLAN_TOUCH | PLAN_SPECIAL};
}

/* The next entry is due at that time. Rounding does not add up. */
static inline void stream_put_gap(struct stream *stream, double time_ns)
{
	*stream->next_gap = (float)(time_ns - stream->time_ns);
	stream->time_ns += (double)*stream->next_gap++;
}

static inline void stream_put_operand(struct stream *stream, struct plan_operand operand)
{
	*(struct plan_operand *)stream->next++ = operand;
}

#endif
