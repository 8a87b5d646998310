/* The streams of a trace's rows: calls and inherited objects in one, other marks in the other. */
#include "arrowcolumns.h"
#include "arrowstream.h"
#include "cursor.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof(*(array)))

/* ---- kinds as dictionaries ---- */

#define KINDS 256 /* of a byte */

struct kinds {
	struct arrow_dictionary dictionary;
	int64_t offsets[KINDS];
	char text[2048];
	int8_t index[KINDS]; /* of a kind in the dictionary; -1: it is not in */
};

static struct kinds event_kinds, mark_kinds;
static pthread_once_t kinds_once = PTHREAD_ONCE_INIT;

static bool is_event(uint8_t kind)
{
	return kind < TRACE_MARKS || kind == TRACE_INHERITED;
}

static void add_kind(struct kinds *kinds, unsigned kind, const char *name)
{
	int64_t n = kinds->dictionary.length++;

	kinds->index[kind] = (int8_t)n;
	kinds->offsets[n + 1] = kinds->offsets[n] + (int64_t)strlen(name);
	memcpy(kinds->text + kinds->offsets[n], name, strlen(name));
	kinds->dictionary.offsets = kinds->offsets;
	kinds->dictionary.text = kinds->text;
}

static void fill_kinds(void)
{
	memset(event_kinds.index, -1, KINDS);
	memset(mark_kinds.index, -1, KINDS);
	for (unsigned kind = 0; kind < KINDS; kind++) {
		const char *name = trace_kind_name(kind);

		if (name)
			add_kind(is_event((uint8_t)kind) ? &event_kinds : &mark_kinds, kind, name);
	}
}

/* ---- events ---- */

/* The address stands last, so that a trace without them has one column less. */
static const struct arrow_column event_columns[] = {
	{"time_ns", "l"},    {"thread", "I"}, {"kind", "c", .dictionary = &event_kinds.dictionary},
	{"size", "L"},       {"align", "L"},  {"object", "l"},
	{"old_object", "l"}, {"site", "i"},   {"flags", "C"},
	{"addr", "L"},
};

/* Closes the gaps that rows which are no events leave behind. The memory is the caller's own. */
static size_t keep_events(struct trace_batch *b)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->rows; i++) {
		if (!is_event(b->kind[i]))
			continue;
#define MOVE(column, type) ((type *)b->column)[kept] = b->column[i]
		MOVE(time_ns, uint64_t);
		MOVE(size, uint64_t);
		MOVE(align, uint64_t);
		MOVE(object, uint64_t);
		MOVE(old_object, uint64_t);
		if (b->addr)
			MOVE(addr, uint64_t);
		MOVE(thread, uint32_t);
		MOVE(site, uint32_t);
		MOVE(kind, uint8_t);
		MOVE(flags, uint8_t);
#undef MOVE
		kept++;
	}
	return kept;
}

/* Kinds become their index in the dictionary, in place; returns whether all are events. */
static bool index_kinds(struct trace_batch *b)
{
	int8_t *index = (int8_t *)b->kind;
	int8_t worst = 0;

	for (size_t i = 0; i < b->rows; i++)
		worst |= event_kinds.index[b->kind[i]];
	if (worst < 0)
		return false;
	for (size_t i = 0; i < b->rows; i++)
		index[i] = event_kinds.index[b->kind[i]];
	return true;
}

static int export_events(struct arrow_stream *stream, struct rows *rows, struct ArrowArray *out)
{
	const struct trace_batch *b = &rows->batch;
	const struct arrow_buffers buffers[] = {
		{.values = b->time_ns},    {.values = b->thread}, {.values = b->kind},
		{.values = b->size},       {.values = b->align},  {.values = b->object},
		{.values = b->old_object}, {.values = b->site},   {.values = b->flags},
		{.values = rows->addr},
	};
	struct arrow_memory *memory = arrow_memory_create(rows->memory);
	int error;

	if (!memory)
		return -ENOMEM;
	if (!b->addr) /* of this block; the trace may have them nevertheless */
		memset(rows->addr, 0, b->rows * sizeof(uint64_t));
	rows->memory = NULL;
	error = arrow_batch(out, stream->columns, buffers, stream->n_columns, b->rows, memory);
	arrow_memory_release(memory);
	return error ? error : 1;
}

static int next_events(struct arrow_stream *stream, struct ArrowArray *out)
{
	const struct trace_batch *batch;
	struct rows rows;
	int status;

	do {
		status = trace_cursor_next(stream->cursor, &batch);
		if (status <= 0)
			return status;
		cursor_take(stream->cursor, &rows);
		if (!index_kinds(&rows.batch)) {
			rows.batch.rows = keep_events(&rows.batch);
			index_kinds(&rows.batch);
		}
		if (rows.batch.rows)
			status = export_events(stream, &rows, out);
		else
			status = 0;
		rows_fini(&rows);
	} while (!status);
	return status;
}

/* Whether the first block has addresses: 1, 0 or a negative errno. A damaged one has none. */
static int has_addresses(struct trace *trace)
{
	const struct trace_range one = {.jobs = 1};
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	int status = trace_cursor_open(&cursor, trace, &one);

	if (status)
		return status;
	status = trace_cursor_next(cursor, &batch);
	if (status > 0)
		status = batch->addr != NULL;
	trace_cursor_close(cursor);
	return status == -EBADMSG ? 0 : status;
}

int trace_arrow_events(struct trace *trace, const struct trace_range *range,
		       struct ArrowArrayStream *out)
{
	struct arrow_stream stream = {
		.trace = trace,
		.columns = event_columns,
		.next = next_events,
	};
	int status = has_addresses(trace);

	*out = (struct ArrowArrayStream){0};
	if (status < 0)
		return status;
	pthread_once(&kinds_once, fill_kinds);
	stream.n_columns = N(event_columns) - (status ? 0 : 1);
	status = trace_cursor_open(&stream.cursor, trace, range);
	return status ? status : arrow_stream_export(out, &stream);
}

/* ---- marks ---- */

static const struct arrow_column mark_columns[] = {
	{"time_ns", "l"}, {"thread", "I"},     {"kind", "c", .dictionary = &mark_kinds.dictionary},
	{"size", "L"},    {"text", "U", true}, {"event", "L"},
};

static size_t count_marks(const struct trace_batch *b)
{
	size_t marks = 0;

	for (size_t i = 0; i < b->rows; i++)
		marks += !is_event(b->kind[i]);
	return marks;
}

static int export_marks(struct arrow_stream *stream, const struct trace_batch *b, size_t marks,
			struct ArrowArray *out)
{
	const char *const *texts;
	struct arrow_columns c;
	size_t row = 0;

	trace_marks(stream->trace, &texts);
	arrow_columns_init(&c, stream->columns, stream->n_columns, marks);
	for (size_t i = 0; i < b->rows; i++) {
		if (is_event(b->kind[i])) {
			stream->rows++;
			continue;
		}
		arrow_columns_number(&c, 0, row, b->time_ns[i]);
		arrow_columns_number(&c, 1, row, b->thread[i]);
		arrow_columns_number(&c, 2, row, (uint8_t)mark_kinds.index[b->kind[i]]);
		arrow_columns_number(&c, 3, row, b->kind[i] == TRACE_MARK ? 0 : b->size[i]);
		if (b->kind[i] == TRACE_MARK)
			arrow_columns_text(&c, 4, row, texts[b->size[i]]);
		else
			arrow_columns_null(&c, 4, row);
		arrow_columns_number(&c, 5, row, stream->rows);
		row++;
	}
	return arrow_columns_finish(&c, out);
}

static int next_marks(struct arrow_stream *stream, struct ArrowArray *out)
{
	const struct trace_batch *batch;
	int status;

	while ((status = trace_cursor_next(stream->cursor, &batch)) > 0) {
		size_t marks = count_marks(batch);

		if (marks)
			return export_marks(stream, batch, marks, out);
		stream->rows += batch->rows;
	}
	return status;
}

int trace_arrow_marks(struct trace *trace, struct ArrowArrayStream *out)
{
	struct arrow_stream stream = {
		.trace = trace,
		.columns = mark_columns,
		.n_columns = N(mark_columns),
		.next = next_marks,
	};
	int status = trace_cursor_open(&stream.cursor, trace, NULL);

	*out = (struct ArrowArrayStream){0};
	if (status)
		return status;
	pthread_once(&kinds_once, fill_kinds);
	return arrow_stream_export(out, &stream);
}
