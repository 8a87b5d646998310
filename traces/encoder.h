/*
 * Encodes rows into one block at a time. Each row is appended to the columns at once, so that a row
 * costs a few stores; ending the block only puts the columns behind each other.
 */
#ifndef ENCODER_H
#define ENCODER_H

#include "block.h"
#include "bytes.h"
#include "kind.h"

struct encoder_operation {
	uint8_t kind;
	uint8_t flags;
	uint8_t fields;
};

/* What a plain row is: a birth or a death; a realloc of a block that stays where it is, or moves.
 */
enum encoder_form { ENCODER_ALONE, ENCODER_STAYS, ENCODER_MOVES, ENCODER_FORMS };

/* Of any byte: what is no call's is never plain. */
#define ENCODER_KINDS (UINT8_MAX + 1)

struct encoder {
	uint32_t rows;       /* in this block */
	uint32_t operations; /* distinct ones in this block */
	uint32_t thread;     /* of the last row */
	uint32_t run_row;    /* row where this thread's run began */
	uint32_t step_row;   /* row of the last time step */
	uint32_t born_row;   /* last row whose new block's residency is known */
	uint32_t died_row;   /* ... whose old block's */
	uint64_t first_row;  /* number of this block's first row in the trace */
	uint64_t first_object;
	uint64_t first_ns;
	uint64_t objects; /* born so far in the trace */
	uint64_t last_ns;
	uint64_t last_addr;
	uint8_t *start[COLUMNS]; /* of each column */
	uint8_t *at[COLUMNS];    /* where it goes on */
	uint16_t *numbers;       /* by encoder_key(): number of an operation + 1 */
	/* Operations of plain rows without site, and with; by form and kind. */
	uint16_t plains[2][ENCODER_FORMS][ENCODER_KINDS];
	struct encoder_operation table[BLOCK_OPS_MAX];
};

int encoder_init(struct encoder *e); /* 0 or -ENOMEM */
void encoder_fini(struct encoder *e);

/*
 * The number of a row's operation, a new one when need be: below BLOCK_OPS_MAX; -ENOSPC: this block
 * can take no further operation; -EINVAL: illegal, *why says it.
 */
int encoder_operation(struct encoder *e, unsigned kind, unsigned flags, unsigned fields,
		      const char **why);

/* The resident pages of the row that was appended last. */
void encoder_pages(struct encoder *e, const struct trace_pages *pages);

/* The rows of this block that are calls. */
uint32_t encoder_calls(const struct encoder *e);

/* The block's content (FORMAT.md) is appended to out; the next block begins. */
void encoder_end(struct encoder *e, struct bytes *out);

static inline unsigned encoder_fields(const struct trace_event *event)
{
	unsigned fields = (unsigned)(event->object != TRACE_NONE) * FIELD_OBJECT |
			  (unsigned)(event->old_object != TRACE_NONE) * FIELD_OLD |
			  (unsigned)(event->site != TRACE_NO_SITE) * FIELD_SITE |
			  (unsigned)(event->size != 0) * FIELD_SIZE;

	if (event->align | event->addr)
		fields |= (unsigned)(event->align != 0) * FIELD_ALIGN |
			  (unsigned)(event->addr != 0) * FIELD_ADDR;
	return fields;
}

static inline uint32_t encoder_key(unsigned kind, unsigned flags, unsigned fields)
{
	return kind | flags << 7 | fields << 11;
}

static inline void encoder_put(struct encoder *e, enum block_column column, uint64_t number)
{
	e->at[column] = varint_put(e->at[column], number);
}

static inline void encoder_put_positive(struct encoder *e, enum block_column column,
					uint64_t number)
{
	e->at[column] = varint_put_positive(e->at[column], number);
}

/* The next row is this thread's, at a time not before the last row's. */
static inline void encoder_turn(struct encoder *e, uint32_t thread, uint64_t time_ns)
{
	uint32_t row = e->rows;

	if (!row) {
		e->first_ns = time_ns;
		e->last_ns = time_ns;
	}
	if (thread != e->thread) {
		if (row) {
			encoder_put(e, COLUMN_RUN, row - e->run_row);
			encoder_put(e, COLUMN_THREAD, e->thread);
		}
		e->thread = thread;
		e->run_row = row;
	}
	if (time_ns != e->last_ns) {
		encoder_put(e, COLUMN_GAP, row - e->step_row);
		encoder_put(e, COLUMN_STEP, time_ns - e->last_ns);
		e->last_ns = time_ns;
		e->step_row = row;
	}
}

/* Appends a row that the caller has checked; operation and fields are the row's. */
static inline void encoder_row(struct encoder *e, const struct trace_event *event,
			       unsigned operation, unsigned fields)
{
	uint32_t row = e->rows;

	encoder_turn(e, event->thread, event->time_ns);
	e->rows++;
	/* TRACE_NO_SITE wraps to 0: nothing is put. An age is at least 1. */
	encoder_put_positive(e, COLUMN_SITE, (uint32_t)(event->site + 1));
	encoder_put_positive(e, COLUMN_SIZE, event->size);
	encoder_put_positive(e, COLUMN_AGE,
			     fields & FIELD_OLD ? e->objects - event->old_object : 0);
	e->objects += fields & FIELD_OBJECT;
	if (fields & (FIELD_ALIGN | FIELD_ADDR)) {
		encoder_put_positive(e, COLUMN_ALIGN, event->align);
		if (event->addr)
			encoder_put(e, COLUMN_ADDR, zigzag(event->addr - e->last_addr));
		e->last_addr = event->addr ? event->addr : e->last_addr;
	}
	e->start[COLUMN_OP][row] = (uint8_t)operation;
}

/* In encoder.plains, above the number of an operation: it is a birth, a death, or both. */
#define ENCODER_BIRTH 0x4000u
#define ENCODER_DEATH 0x8000u

/*
 * Rows of one thread and time that are births, deaths and reallocs without alignment or address,
 * appended by a loop that holds this in registers: encoder_begin_plain(), any number of them as far
 * as there is room, encoder_end_plain(). The caller answers for their legality; sizes and ages are
 * below VARINT_FAST.
 */
struct encoder_plain {
	uint8_t *op, *site, *size, *age;
	uint64_t objects;
};

static inline struct encoder_plain encoder_begin_plain(const struct encoder *e)
{
	return (struct encoder_plain){e->start[COLUMN_OP] + e->rows, e->at[COLUMN_SITE],
				      e->at[COLUMN_SIZE], e->at[COLUMN_AGE], e->objects};
}

/* What stands in a row for its site, TRACE_NO_SITE: nothing. */
static inline uint64_t encoder_site_code(uint32_t site)
{
	return varint_code((uint32_t)(site + 1));
}

/* Each leaves op where it is. operation: of encoder.plains; site: its code. */
static inline void encoder_plain_birth(struct encoder_plain *p, unsigned operation, uint64_t site,
				       uint64_t size)
{
	*p->op = (uint8_t)operation;
	p->site = varint_put_code(p->site, site);
	p->size = varint_put_fast(p->size, size);
	p->objects++;
}

static inline void encoder_plain_death(struct encoder_plain *p, unsigned operation, uint64_t site,
				       uint64_t object)
{
	*p->op = (uint8_t)operation;
	p->site = varint_put_code(p->site, site);
	p->age = varint_put_fast(p->age, p->objects - object);
}

static inline void encoder_plain_resized(struct encoder_plain *p, unsigned operation, uint64_t site,
					 uint64_t size, uint64_t object)
{
	encoder_plain_death(p, operation, site, object);
	p->size = varint_put_fast(p->size, size);
	p->objects++;
}

/* rows: at least one. */
static inline void encoder_end_plain(struct encoder *e, const struct encoder_plain *p,
				     uint32_t rows, uint32_t thread, uint64_t time_ns)
{
	encoder_turn(e, thread, time_ns);
	e->rows += rows;
	e->at[COLUMN_SITE] = p->site;
	e->at[COLUMN_SIZE] = p->size;
	e->at[COLUMN_AGE] = p->age;
	e->objects = p->objects;
}

/* The writer's own encoder, for rows of this kind; when a block is full it is to be flushed. */
struct encoder *trace_writer_encoder(struct trace_writer *w);

/* Its source pays for its time: blocks are compressed less from now on. */
void trace_writer_hurry(struct trace_writer *w);

#endif
