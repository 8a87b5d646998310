/* Makes the schemas and record batches of the Arrow C data interface out of columns. */
#ifndef TRACE_ARROWDATA_H
#define TRACE_ARROWDATA_H

#include "arrow.h"

/* Texts of a dictionary, as the buffers of a large utf8 array; they live for ever. */
struct arrow_dictionary {
	int64_t length;
	const int64_t *offsets;
	const char *text;
};

struct arrow_column {
	const char *name;
	const char *format;
	bool nullable;
	const struct arrow_dictionary *dictionary; /* of an int8 column; NULL: none */
};

/* Memory that several arrays point into; the last one that is released frees it. */
struct arrow_memory;

/* Takes over memory from malloc; NULL when out of memory (nothing is freed then). */
struct arrow_memory *arrow_memory_create(void *memory);
void arrow_memory_release(struct arrow_memory *memory);

/* One column's buffers. */
struct arrow_buffers {
	const void *values; /* large utf8: the offsets */
	char *text;         /* large utf8: the bytes */
	uint8_t *validity;  /* one bit a row; NULL: no nulls */
	int64_t nulls;
	bool owned; /* the array frees values, text and validity */
};

/* Fills *out, which the consumer releases. Returns 0 or -ENOMEM. */
int arrow_schema(struct ArrowSchema *out, const struct arrow_column *columns, size_t n);

/*
 * Fills *out. Takes over owned buffers and, for those not owned, a share of memory (which may be
 * NULL); the caller's own share stays. On -ENOMEM owned buffers are freed.
 */
int arrow_batch(struct ArrowArray *out, const struct arrow_column *columns,
		const struct arrow_buffers *buffers, size_t n, size_t rows,
		struct arrow_memory *memory);

void arrow_buffers_free(struct arrow_buffers *buffers);

#endif
