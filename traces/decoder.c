#include "decoder.h"

#include "kind.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes of a row in memory: six columns of 64 bits, two of 32, two of 8. */
#define ROW_BYTES (6 * 8 + 2 * 4 + 2 * 1)

/* A block while it is decoded. */
struct block {
	struct block_head head;
	struct window columns[COLUMNS];
	unsigned operations;
	unsigned any; /* fields that some operation has */
	uint8_t kind[BLOCK_OPS_MAX];
	uint8_t flags[BLOCK_OPS_MAX];
	uint8_t fields[BLOCK_OPS_MAX];
	const uint8_t *op;
	const char *why;
};

void rows_fini(struct rows *rows)
{
	free(rows->memory);
	free(rows->born);
	free(rows->died);
	*rows = (struct rows){0};
}

static bool rows_reserve(struct rows *rows, size_t room)
{
	uint8_t *memory;

	if (rows->room >= room)
		return true;
	rows_fini(rows);
	room = (room + 63) & ~(size_t)63;
	memory = aligned_alloc(64, room * ROW_BYTES);
	if (!memory)
		return false;
	rows->room = room;
	rows->memory = memory;
	rows->batch.time_ns = (uint64_t *)memory;
	rows->batch.size = (uint64_t *)(memory + room * 8);
	rows->batch.align = (uint64_t *)(memory + room * 16);
	rows->batch.object = (uint64_t *)(memory + room * 24);
	rows->batch.old_object = (uint64_t *)(memory + room * 32);
	rows->addr = memory + room * 40;
	rows->batch.thread = (uint32_t *)(memory + room * 48);
	rows->batch.site = (uint32_t *)(memory + room * 52);
	rows->batch.kind = memory + room * 56;
	rows->batch.flags = memory + room * 57;
	return true;
}

bool decoder_head(struct window *w, struct block_head *head)
{
	head->rows = (uint32_t)window_number_max(w, BLOCK_ROWS_MAX);
	head->first_row = window_number_max(w, INT64_MAX);
	head->first_object = window_number_max(w, INT64_MAX);
	head->objects = window_number_max(w, head->rows);
	head->first_ns = window_number_max(w, INT64_MAX);
	head->last_ns = head->first_ns + window_number_max(w, INT64_MAX);
	return !w->bad && head->rows;
}

static bool fail(struct block *b, const char *why)
{
	b->why = why;
	return false;
}

static bool read_operations(struct block *b, struct window *w)
{
	b->operations = (unsigned)window_number_max(w, BLOCK_OPS_MAX);
	for (unsigned i = 0; i < b->operations; i++) {
		const uint8_t *op = window_bytes(w, 3);

		if (!op)
			return fail(b, "the list of operations is cut short");
		if (kind_illegal(op[0], op[1], op[2]))
			return fail(b, kind_illegal(op[0], op[1], op[2]));
		b->kind[i] = op[0];
		b->flags[i] = op[1];
		b->fields[i] = op[2];
		b->any |= op[2];
	}
	return !w->bad || fail(b, "the number of operations is damaged");
}

/* The directory names each column and its length; columns that are not known are passed over. */
static bool read_directory(struct block *b, struct window *w)
{
	uint64_t columns = window_number(w);
	struct window directory = *w;

	for (uint64_t i = 0; i < columns && !w->bad; i++) {
		window_number(w);
		window_number(w);
	}
	for (uint64_t i = 0; i < columns && !w->bad; i++) {
		uint64_t column = window_number(&directory), size = window_number(&directory);
		const uint8_t *bytes = window_bytes(w, size);

		if (!bytes || !size)
			break;
		if (column && column < COLUMNS) {
			if (b->columns[column].at)
				return fail(b, "a column is there twice");
			b->columns[column] = (struct window){bytes, bytes + size, false};
		}
	}
	if (w->bad || window_left(w))
		return fail(b, "the directory of columns is damaged");
	return true;
}

static bool read_ops(struct block *b, struct rows *rows)
{
	struct window *w = &b->columns[COLUMN_OP];
	uint8_t *kind = (uint8_t *)rows->batch.kind, *flags = (uint8_t *)rows->batch.flags;
	uint64_t *object = (uint64_t *)rows->batch.object;
	uint64_t next = b->head.first_object;
	unsigned worst = 0;

	if (window_left(w) != b->head.rows)
		return fail(b, "column op has not one byte for each row");
	b->op = w->at;
	for (uint32_t i = 0; i < b->head.rows; i++) {
		unsigned op = b->op[i];
		unsigned born = b->fields[op] & FIELD_OBJECT;

		worst = op > worst ? op : worst;
		kind[i] = b->kind[op];
		flags[i] = b->flags[op];
		object[i] = born ? next : TRACE_NONE;
		next += born;
	}
	if (worst >= b->operations)
		return fail(b, "column op: an operation that the block does not list");
	if (next - b->head.first_object != b->head.objects)
		return fail(b, "column op: not as many objects as the block's head says");
	return true;
}

static bool read_threads(struct block *b, struct rows *rows, size_t threads)
{
	struct window *runs = &b->columns[COLUMN_RUN], *values = &b->columns[COLUMN_THREAD];
	uint32_t *thread = (uint32_t *)rows->batch.thread;
	uint32_t row = 0;

	while (row < b->head.rows) {
		uint64_t run = window_number(runs), value = window_number(values);

		if (runs->bad || values->bad || !run || run > b->head.rows - row)
			return fail(b, "column thread: the runs are not as long as the block");
		if (value >= threads)
			return fail(b, "column thread: a thread that is not defined");
		for (uint32_t end = row + (uint32_t)run; row < end; row++)
			thread[row] = (uint32_t)value;
	}
	if (window_left(runs) || window_left(values))
		return fail(b, "column thread: the runs are not as long as the block");
	return true;
}

static bool read_times(struct block *b, struct rows *rows)
{
	struct window *gaps = &b->columns[COLUMN_GAP], *steps = &b->columns[COLUMN_STEP];
	uint64_t *time_ns = (uint64_t *)rows->batch.time_ns;
	uint64_t now = b->head.first_ns;
	uint32_t row = 0;

	while (window_left(gaps)) {
		uint64_t gap = window_number(gaps), step = window_number(steps);

		if (gaps->bad || steps->bad || !gap || gap >= b->head.rows - row)
			return fail(b, "column time: a step lies outside the block");
		for (uint32_t end = row + (uint32_t)gap; row < end; row++)
			time_ns[row] = now;
		if (step > b->head.last_ns - now)
			return fail(b, "column time: a time after the block's last");
		now += step;
	}
	if (window_left(steps) || now != b->head.last_ns)
		return fail(b, "column time: the steps do not end at the block's last time");
	while (row < b->head.rows)
		time_ns[row++] = now;
	return true;
}

#define COMPLAINTS(column)                                                                         \
	{                                                                                          \
		"column " column " is cut short", "column " column " is too long",                 \
			"column " column ": a number out of range",                                \
	}

static const struct {
	const char *cut, *rest, *range;
} complaints[COLUMNS] = {
	[COLUMN_SITE] = COMPLAINTS("site"),   [COLUMN_SIZE] = COMPLAINTS("size"),
	[COLUMN_ALIGN] = COMPLAINTS("align"), [COLUMN_AGE] = COMPLAINTS("old_object"),
	[COLUMN_ADDR] = COMPLAINTS("addr"),   [COLUMN_BORN] = COMPLAINTS("born"),
	[COLUMN_DIED] = COMPLAINTS("died"),
};

/* Where a column of one number for each row with a field is read. */
struct numbers {
	const uint8_t *at;
	const uint8_t *end;
	bool zero; /* a row with the field has 0 */
};

static struct numbers numbers_begin(const struct block *b, enum block_column column)
{
	static const uint8_t nothing[VARINT_MAX];
	const struct window *w = &b->columns[column];

	return w->at ? (struct numbers){w->at, w->end, false}
		     : (struct numbers){nothing, nothing, false};
}

/*
 * The next row's number, 0 if it has none. Behind the end are VARINT_MAX readable bytes, so the
 * caller may test the place afterwards; no branch depends on whether the row has one.
 */
static inline uint64_t numbers_next(struct numbers *n, bool there)
{
	uint64_t number;
	const uint8_t *next = varint_get(n->at, &number);

	n->at = there ? next : n->at;
	n->zero |= there & !number;
	return there ? number : 0;
}

/* After the last row: the column has to end there, without a 0 where 0 means "none". */
static bool numbers_end(struct block *b, const struct numbers *n, enum block_column column)
{
	if (n->at != n->end)
		return fail(b, n->at > n->end ? complaints[column].cut : complaints[column].rest);
	return !n->zero || fail(b, complaints[column].range);
}

/*
 * Sites, sizes and old objects together: where a number ends is known only after it was looked at,
 * and three columns at a time keep the processor busy meanwhile.
 */
static bool read_fields(struct block *b, struct rows *rows, size_t sites)
{
	struct numbers site = numbers_begin(b, COLUMN_SITE);
	struct numbers size = numbers_begin(b, COLUMN_SIZE);
	struct numbers age = numbers_begin(b, COLUMN_AGE);
	uint32_t *row_site = (uint32_t *)rows->batch.site;
	uint64_t *row_size = (uint64_t *)rows->batch.size;
	uint64_t *row_old = (uint64_t *)rows->batch.old_object;
	uint64_t next = b->head.first_object, worst = 0;
	const uint8_t *op = b->op, *op_fields = b->fields;
	bool too_old = false;

	for (uint32_t i = 0; i < b->head.rows; i++) {
		unsigned fields = op_fields[op[i]];
		uint64_t number = numbers_next(&site, fields & FIELD_SITE);
		uint64_t births = numbers_next(&age, fields & FIELD_OLD);

		worst = number > worst ? number : worst;
		row_site[i] = (uint32_t)number - 1; /* 0 becomes TRACE_NO_SITE */
		row_size[i] = numbers_next(&size, fields & FIELD_SIZE);
		too_old |= births > next;
		row_old[i] = births ? next - births : TRACE_NONE;
		next += fields & FIELD_OBJECT;
		if ((site.at > site.end) | (size.at > size.end) | (age.at > age.end))
			break;
	}
	if (!numbers_end(b, &site, COLUMN_SITE) || !numbers_end(b, &size, COLUMN_SIZE) ||
	    !numbers_end(b, &age, COLUMN_AGE))
		return false;
	if (worst > sites)
		return fail(b, "column site: a site that is not defined");
	return !too_old || fail(b, complaints[COLUMN_AGE].range);
}

static bool read_aligns(struct block *b, struct rows *rows)
{
	struct numbers align = numbers_begin(b, COLUMN_ALIGN);
	uint64_t *row_align = (uint64_t *)rows->batch.align;

	if (!(b->any & FIELD_ALIGN)) {
		memset(row_align, 0, b->head.rows * sizeof(*row_align));
		return numbers_end(b, &align, COLUMN_ALIGN);
	}
	for (uint32_t i = 0; i < b->head.rows && align.at <= align.end; i++)
		row_align[i] = numbers_next(&align, b->fields[b->op[i]] & FIELD_ALIGN);
	return numbers_end(b, &align, COLUMN_ALIGN);
}

static bool read_addrs(struct block *b, struct rows *rows)
{
	struct numbers addr = numbers_begin(b, COLUMN_ADDR);
	uint64_t *row_addr = rows->addr, last = 0;
	bool null = false;

	if (!(b->any & FIELD_ADDR))
		return numbers_end(b, &addr, COLUMN_ADDR);
	for (uint32_t i = 0; i < b->head.rows && addr.at <= addr.end; i++) {
		bool there = b->fields[b->op[i]] & FIELD_ADDR;

		last += unzigzag(numbers_next(&addr, there));
		null |= there & !last;
		row_addr[i] = there ? last : 0;
	}
	addr.zero = null; /* the difference may well be 0 */
	return numbers_end(b, &addr, COLUMN_ADDR);
}

/* Pairs of rows since the last such row and of pages; object is the column that such rows have. */
static bool read_pages(struct block *b, enum block_column column, const uint64_t *object,
		       struct trace_resident **list, size_t *room, size_t *n)
{
	struct window *w = &b->columns[column];
	uint64_t row = 0;

	*n = 0;
	while (w->at && window_left(w)) {
		uint64_t gap = window_number(w), pages = window_number(w);

		row += gap;
		if (w->bad || gap >= b->head.rows || row >= b->head.rows || (*n && !gap) ||
		    object[row] == TRACE_NONE)
			return fail(b, complaints[column].range);
		if (*n == *room) {
			size_t larger = *room ? 2 * *room : 64;
			struct trace_resident *all = reallocarray(*list, larger, sizeof(*all));

			if (!all)
				return fail(b, "out of memory");
			*list = all;
			*room = larger;
		}
		(*list)[(*n)++] = (struct trace_resident){(uint32_t)row, pages};
	}
	return true;
}

static bool read_residency(struct block *b, struct rows *rows)
{
	struct trace_batch *batch = &rows->batch;

	if (!read_pages(b, COLUMN_BORN, batch->object, &rows->born, &rows->born_room,
			&batch->n_born) ||
	    !read_pages(b, COLUMN_DIED, batch->old_object, &rows->died, &rows->died_room,
			&batch->n_died))
		return false;
	batch->born = rows->born;
	batch->died = rows->died;
	return true;
}

/* A user mark's size is the number of its text. */
static bool check_marks(struct block *b, const struct rows *rows, size_t marks)
{
	bool any = false;

	for (unsigned i = 0; i < b->operations; i++)
		any |= b->kind[i] == TRACE_MARK;
	for (uint32_t i = 0; any && i < b->head.rows; i++) {
		if (rows->batch.kind[i] == TRACE_MARK && rows->batch.size[i] >= marks)
			return fail(b, "a mark has a text that is not defined");
	}
	return true;
}

int decoder_block(struct window w, const struct decoder_limits *limits, struct rows *rows,
		  struct block_head *head, const char **why)
{
	struct block b = {0};

	*why = "the head is damaged";
	if (!decoder_head(&w, &b.head))
		return -EBADMSG;
	*why = "out of memory";
	if (!rows_reserve(rows, b.head.rows))
		return -ENOMEM;
	rows->batch.first_row = b.head.first_row;
	rows->batch.rows = b.head.rows;
	if (!read_operations(&b, &w) || !read_directory(&b, &w) || !read_ops(&b, rows) ||
	    !read_threads(&b, rows, limits->threads) || !read_times(&b, rows) ||
	    !read_fields(&b, rows, limits->sites) || !read_aligns(&b, rows) ||
	    !read_addrs(&b, rows) || !check_marks(&b, rows, limits->marks) ||
	    !read_residency(&b, rows)) {
		*why = b.why;
		return -EBADMSG;
	}
	*head = b.head;
	rows->batch.addr = b.any & FIELD_ADDR ? rows->addr : NULL;
	return 0;
}

static uint64_t pages_of(const struct trace_resident *list, size_t n, size_t row)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list[middle].row < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && list[low].row == row ? list[low].pages : TRACE_NONE;
}

struct trace_pages trace_batch_pages(const struct trace_batch *b, size_t row)
{
	return (struct trace_pages){pages_of(b->born, b->n_born, row),
				    pages_of(b->died, b->n_died, row)};
}
