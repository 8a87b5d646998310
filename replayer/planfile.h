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
	uint32_t *epochs;
	uint64_t *keys;
};

/*
 * Makes the file, with gaps or without, with room for everything that the survey makes possible.
 * epochs: number of skew epochs, 0 for none. Returns 0 or a negative errno; planfile_close() in any
 * case.
 */
int planfile_open(struct planfile *file, const struct survey *survey, uint32_t epochs,
		  uint32_t sites, bool gaps);

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
