/* Fills the columns of one record batch row by row, for what is not in columns already. */
#ifndef TRACE_ARROWCOLUMNS_H
#define TRACE_ARROWCOLUMNS_H

#include "arrowdata.h"

#define ARROWCOLUMNS_MAX 12

struct arrow_columns {
	const struct arrow_column *columns;
	size_t n;
	size_t rows;
	struct arrow_buffers buffers[ARROWCOLUMNS_MAX];
	size_t text_room[ARROWCOLUMNS_MAX];
	bool failed; /* out of memory */
};

/* Every row of every column has to be set once, the rows of a text column in order. */
void arrow_columns_init(struct arrow_columns *c, const struct arrow_column *columns, size_t n,
			size_t rows);
void arrow_columns_number(struct arrow_columns *c, size_t column, size_t row, uint64_t number);
void arrow_columns_text(struct arrow_columns *c, size_t column, size_t row, const char *text);
void arrow_columns_null(struct arrow_columns *c, size_t column, size_t row);

/* Ends the filling: *out has the columns. Returns 1, as a stream's next() does, or -ENOMEM. */
int arrow_columns_finish(struct arrow_columns *c, struct ArrowArray *out);

#endif
