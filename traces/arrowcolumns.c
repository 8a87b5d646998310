#include "arrowcolumns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t width_of(const struct arrow_column *column)
{
	switch (*column->format) {
	case 'c':
		return 1;
	case 'I':
		return 4;
	default: /* l, L, and U's offsets */
		return 8;
	}
}

static bool is_text(const struct arrow_column *column)
{
	return *column->format == 'U';
}

void arrow_columns_init(struct arrow_columns *c, const struct arrow_column *columns, size_t n,
			size_t rows)
{
	*c = (struct arrow_columns){.columns = columns, .n = n, .rows = rows};
	for (size_t i = 0; i < n; i++) {
		struct arrow_buffers *b = &c->buffers[i];

		b->owned = true;
		/* one more: a text column has one offset more than rows, and none may be NULL */
		b->values = calloc(rows + 1, width_of(&columns[i]));
		if (is_text(&columns[i])) {
			c->text_room[i] = 64;
			b->text = malloc(c->text_room[i]);
		}
		if (!b->values || (is_text(&columns[i]) && !b->text))
			c->failed = true;
	}
}

void arrow_columns_number(struct arrow_columns *c, size_t column, size_t row, uint64_t number)
{
	void *values = (void *)c->buffers[column].values;

	if (c->failed)
		return;
	switch (width_of(&c->columns[column])) {
	case 1:
		((uint8_t *)values)[row] = (uint8_t)number;
		break;
	case 4:
		((uint32_t *)values)[row] = (uint32_t)number;
		break;
	default:
		((uint64_t *)values)[row] = number;
	}
}

void arrow_columns_text(struct arrow_columns *c, size_t column, size_t row, const char *text)
{
	struct arrow_buffers *b = &c->buffers[column];
	size_t bytes = strlen(text), start;
	int64_t *offsets = (int64_t *)b->values;

	if (c->failed)
		return;
	start = (size_t)offsets[row];
	if (start + bytes > c->text_room[column]) {
		size_t room = 2 * (start + bytes);
		char *bigger = realloc(b->text, room);

		if (!bigger) {
			c->failed = true;
			return;
		}
		b->text = bigger;
		c->text_room[column] = room;
	}
	memcpy(b->text + start, text, bytes);
	offsets[row + 1] = (int64_t)(start + bytes);
}

void arrow_columns_null(struct arrow_columns *c, size_t column, size_t row)
{
	struct arrow_buffers *b = &c->buffers[column];

	if (is_text(&c->columns[column]))
		arrow_columns_text(c, column, row, "");
	if (!b->validity) {
		b->validity = malloc(c->rows / 8 + 1);
		if (!b->validity)
			c->failed = true;
		else
			memset(b->validity, 0xff, c->rows / 8 + 1);
	}
	if (c->failed)
		return;
	b->validity[row / 8] &= (uint8_t) ~(1u << row % 8);
	b->nulls++;
}

int arrow_columns_finish(struct arrow_columns *c, struct ArrowArray *out)
{
	if (!c->failed)
		return arrow_batch(out, c->columns, c->buffers, c->n, c->rows, NULL) ? -ENOMEM : 1;
	for (size_t i = 0; i < c->n; i++)
		arrow_buffers_free(&c->buffers[i]);
	*out = (struct ArrowArray){0};
	return -ENOMEM;
}
