/* The stream of what is known of resident pages: of the rows' objects, then of those left. */
#include "arrowcolumns.h"
#include "arrowstream.h"

enum { OBJECT, MOMENT, PAGES, N_COLUMNS };

static const struct arrow_column columns[N_COLUMNS] = {
	[OBJECT] = {"object", "l"},
	[MOMENT] = {"moment", "U"},
	[PAGES] = {"pages", "L"},
};

static void put(struct arrow_columns *c, size_t row, uint64_t object, const char *moment,
		uint64_t pages)
{
	arrow_columns_number(c, OBJECT, row, object);
	arrow_columns_text(c, MOMENT, row, moment);
	arrow_columns_number(c, PAGES, row, pages);
}

static int export_batch(const struct trace_batch *b, struct ArrowArray *out)
{
	struct arrow_columns c;
	size_t row = 0;

	arrow_columns_init(&c, columns, N_COLUMNS, b->n_born + b->n_died);
	for (size_t i = 0; i < b->n_born; i++)
		put(&c, row++, b->object[b->born[i].row], "birth", b->born[i].pages);
	for (size_t i = 0; i < b->n_died; i++)
		put(&c, row++, b->old_object[b->died[i].row], "death", b->died[i].pages);
	return arrow_columns_finish(&c, out);
}

static int export_lefts(const struct trace *trace, struct ArrowArray *out)
{
	const struct trace_left *lefts;
	size_t n = trace_lefts(trace, &lefts);
	struct arrow_columns c;

	if (!n)
		return 0;
	arrow_columns_init(&c, columns, N_COLUMNS, n);
	for (size_t i = 0; i < n; i++)
		put(&c, i, lefts[i].object, "end", lefts[i].pages);
	return arrow_columns_finish(&c, out);
}

static int next_pages(struct arrow_stream *stream, struct ArrowArray *out)
{
	const struct trace_batch *batch;
	int status;

	if (stream->rows)
		return 0;
	while ((status = trace_cursor_next(stream->cursor, &batch)) > 0)
		if (batch->n_born + batch->n_died)
			return export_batch(batch, out);
	stream->rows = 1; /* the last batch */
	return status ? status : export_lefts(stream->trace, out);
}

int trace_arrow_resident(struct trace *trace, struct ArrowArrayStream *out)
{
	struct arrow_stream stream = {
		.trace = trace,
		.columns = columns,
		.n_columns = N_COLUMNS,
		.next = next_pages,
	};
	int status = trace_cursor_open(&stream.cursor, trace, NULL);

	*out = (struct ArrowArrayStream){0};
	return status ? status : arrow_stream_export(out, &stream);
}
