#include "encoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEYS (1u << 17) /* 7 bits of kind, 4 of flags, 6 of fields */

/* Columns are laid out for the worst case; pages that no row reaches are never touched. */
static size_t column_room(enum block_column column)
{
	size_t room = (BLOCK_ROWS + 1) * (size_t)VARINT_MAX;

	if (column == COLUMN_OP)
		return BLOCK_ROWS;
	return column == COLUMN_BORN || column == COLUMN_DIED ? 2 * room : room;
}

static void encoder_begin(struct encoder *e)
{
	for (int c = 1; c < COLUMNS; c++)
		e->at[c] = e->start[c];
	for (uint32_t i = 0; i < e->operations; i++) {
		struct encoder_operation *op = &e->table[i];

		e->numbers[encoder_key(op->kind, op->flags, op->fields)] = 0;
	}
	memset(e->plains, 0, sizeof(e->plains));
	e->first_row += e->rows;
	e->first_object = e->objects;
	e->first_ns = e->last_ns;
	e->rows = 0;
	e->operations = 0;
	e->run_row = 0;
	e->step_row = 0;
	e->born_row = e->died_row = 0;
	e->last_addr = 0;
}

int encoder_init(struct encoder *e)
{
	size_t room = 0;
	uint8_t *memory;

	*e = (struct encoder){0};
	for (int c = 1; c < COLUMNS; c++)
		room += column_room(c);
	memory = malloc(room);
	e->numbers = calloc(KEYS, sizeof(*e->numbers));
	e->start[0] = memory;
	if (!memory || !e->numbers) {
		encoder_fini(e);
		return -ENOMEM;
	}
	for (int c = 1; c < COLUMNS; c++) {
		e->start[c] = memory;
		memory += column_room(c);
	}
	encoder_begin(e);
	return 0;
}

void encoder_fini(struct encoder *e)
{
	free(e->start[0]);
	free(e->numbers);
	*e = (struct encoder){0};
}

/* Without alignment or address, and neither failed nor foreign. */
static void note_plain(struct encoder *e, const struct encoder_operation *op, unsigned number)
{
	uint16_t(*plains)[ENCODER_KINDS] = e->plains[!!(op->fields & FIELD_SITE)];
	unsigned fields = op->fields & ~FIELD_SITE;
	bool moved = op->flags == TRACE_MOVED;

	if (op->kind >= TRACE_MARKS || (op->flags && !moved))
		return;
	if (fields == (FIELD_OBJECT | FIELD_OLD | FIELD_SIZE))
		plains[moved ? ENCODER_MOVES : ENCODER_STAYS][op->kind] =
			(uint16_t)(number | ENCODER_BIRTH | ENCODER_DEATH);
	else if (fields == (FIELD_OBJECT | FIELD_SIZE))
		plains[ENCODER_ALONE][op->kind] = (uint16_t)(number | ENCODER_BIRTH);
	else if (fields == FIELD_OLD && trace_class(op->kind) == TRACE_CLASS_FREE)
		plains[ENCODER_ALONE][op->kind] = (uint16_t)(number | ENCODER_DEATH);
}

int encoder_operation(struct encoder *e, unsigned kind, unsigned flags, unsigned fields,
		      const char **why)
{
	uint16_t *number;

	*why = kind_illegal(kind, flags, fields);
	if (*why)
		return -EINVAL;
	number = &e->numbers[encoder_key(kind, flags, fields)];
	if (!*number) {
		if (e->operations == BLOCK_OPS_MAX)
			return -ENOSPC;
		e->table[e->operations] = (struct encoder_operation){
			.kind = (uint8_t)kind,
			.flags = (uint8_t)flags,
			.fields = (uint8_t)fields,
		};
		note_plain(e, &e->table[e->operations], e->operations);
		*number = (uint16_t)++e->operations;
	}
	return *number - 1;
}

static void put_pages(struct encoder *e, enum block_column column, uint32_t *last, uint64_t pages)
{
	uint32_t row = e->rows - 1;

	if (pages == TRACE_NONE)
		return;
	encoder_put(e, column, row - *last);
	encoder_put(e, column, pages);
	*last = row;
}

void encoder_pages(struct encoder *e, const struct trace_pages *pages)
{
	put_pages(e, COLUMN_BORN, &e->born_row, pages->born);
	put_pages(e, COLUMN_DIED, &e->died_row, pages->died);
}

uint32_t encoder_calls(const struct encoder *e)
{
	uint32_t calls = 0, marks = 0;

	for (uint32_t i = 0; i < e->operations; i++)
		marks += e->table[i].kind >= TRACE_MARKS;
	if (!marks)
		return e->rows;
	for (uint32_t row = 0; row < e->rows; row++)
		calls += e->table[e->start[COLUMN_OP][row]].kind < TRACE_MARKS;
	return calls;
}

void encoder_end(struct encoder *e, struct bytes *out)
{
	unsigned columns = 0;

	e->at[COLUMN_OP] += e->rows;
	encoder_put(e, COLUMN_RUN, e->rows - e->run_row);
	encoder_put(e, COLUMN_THREAD, e->thread);
	bytes_add_number(out, e->rows);
	bytes_add_number(out, e->first_row);
	bytes_add_number(out, e->first_object);
	bytes_add_number(out, e->objects - e->first_object);
	bytes_add_number(out, e->first_ns);
	bytes_add_number(out, e->last_ns - e->first_ns);
	bytes_add_number(out, e->operations);
	bytes_add(out, e->table, e->operations * sizeof(*e->table));
	for (int c = 1; c < COLUMNS; c++)
		columns += e->at[c] != e->start[c];
	bytes_add_number(out, columns);
	for (int c = 1; c < COLUMNS; c++) {
		if (e->at[c] == e->start[c])
			continue;
		bytes_add_number(out, (uint64_t)c);
		bytes_add_number(out, (uint64_t)(e->at[c] - e->start[c]));
	}
	for (int c = 1; c < COLUMNS; c++)
		bytes_add(out, e->start[c], (size_t)(e->at[c] - e->start[c]));
	encoder_begin(e);
}
