/* The stream of a trace's call chains with names: a record batch for each run of sites. */
#include "arrowcolumns.h"
#include "arrowstream.h"
#include "callchain.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH_SITES 1024

enum { SITE, DEPTH, INLINED, FUNCTION, FILE_NAME, LINE, MODULE, OFFSET, PROBLEM, N_COLUMNS };

static const struct arrow_column columns[N_COLUMNS] = {
	[SITE] = {"site", "I"},
	[DEPTH] = {"depth", "I"},
	[INLINED] = {"inlined", "I"},
	[FUNCTION] = {"function", "U", true},
	[FILE_NAME] = {"file", "U", true},
	[LINE] = {"line", "I", true},
	[MODULE] = {"module", "U", true},
	[OFFSET] = {"offset", "L"},
	[PROBLEM] = {"problem", "U", true},
};

/* Rows of the sites from first to end; their names are found on the way. */
static size_t count_rows(struct callchains *c, uint32_t first, uint32_t end)
{
	size_t rows = 0;

	for (uint32_t site = first; site < end; site++) {
		const struct trace_frame *frames;
		size_t depth = callchains_frames(c, site, &frames);
		const struct symbol_line *lines;

		for (size_t i = 0; i < depth; i++)
			rows += callchains_lines(c, &frames[i], &lines, NULL);
	}
	return rows;
}

static void put_text(struct arrow_columns *out, size_t column, size_t row, const char *text)
{
	if (text)
		arrow_columns_text(out, column, row, text);
	else
		arrow_columns_null(out, column, row);
}

static size_t put_frame(struct arrow_columns *out, struct callchains *c,
			const struct trace_frame *frame, size_t row)
{
	const struct symbol_line *lines;
	bool named;
	size_t n = callchains_lines(c, frame, &lines, &named);
	bool known = frame->module < c->n_modules;

	for (size_t i = 0; i < n; i++, row++) {
		arrow_columns_number(out, INLINED, row, i);
		put_text(out, FUNCTION, row, named ? lines[i].symbol->name : NULL);
		put_text(out, FILE_NAME, row, lines[i].file);
		if (lines[i].line)
			arrow_columns_number(out, LINE, row, lines[i].line);
		else
			arrow_columns_null(out, LINE, row);
		put_text(out, MODULE, row, known ? c->modules[frame->module].path : NULL);
		arrow_columns_number(out, OFFSET, row, frame->offset);
		put_text(out, PROBLEM, row, symbols_problem(&c->symbols, frame->module));
	}
	return n;
}

static int next_symbols(struct arrow_stream *stream, struct ArrowArray *out)
{
	struct callchains *c = stream->own;
	uint32_t first = (uint32_t)stream->rows;
	uint32_t left = (uint32_t)c->n_sites - first;
	uint32_t end = first + (left < BATCH_SITES ? left : BATCH_SITES);
	struct arrow_columns batch;
	size_t row = 0;

	if (!left)
		return 0;
	stream->rows = end;
	arrow_columns_init(&batch, stream->columns, stream->n_columns, count_rows(c, first, end));
	for (uint32_t site = first; site < end; site++) {
		const struct trace_frame *frames;
		size_t depth = callchains_frames(c, site, &frames);

		for (size_t i = 0; i < depth; i++) {
			size_t n = put_frame(&batch, c, &frames[i], row);

			for (size_t k = 0; k < n; k++, row++) {
				arrow_columns_number(&batch, SITE, row, site);
				arrow_columns_number(&batch, DEPTH, row, i);
			}
		}
	}
	return arrow_columns_finish(&batch, out);
}

static void close_chains(void *own)
{
	callchains_fini(own);
	free(own);
}

int trace_arrow_symbols(struct trace *trace, struct ArrowArrayStream *out)
{
	struct callchains *c = malloc(sizeof(*c));
	const struct arrow_stream stream = {
		.trace = trace,
		.columns = columns,
		.n_columns = N_COLUMNS,
		.next = next_symbols,
		.own = c,
		.close = close_chains,
	};

	*out = (struct ArrowArrayStream){0};
	if (!c || callchains_init(c, trace, NULL)) {
		if (c)
			close_chains(c);
		return -ENOMEM;
	}
	return arrow_stream_export(out, &stream);
}
