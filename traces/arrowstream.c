#include "arrowstream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int get_schema(struct ArrowArrayStream *out, struct ArrowSchema *schema)
{
	struct arrow_stream *stream = out->private_data;

	stream->error = -arrow_schema(schema, stream->columns, stream->n_columns);
	return stream->error;
}

static int get_next(struct ArrowArrayStream *out, struct ArrowArray *array)
{
	struct arrow_stream *stream = out->private_data;
	int more;

	*array = (struct ArrowArray){0}; /* released: that is the end */
	more = stream->next(stream, array);
	stream->error = more < 0 ? -more : 0;
	return stream->error;
}

static const char *get_last_error(struct ArrowArrayStream *out)
{
	const struct arrow_stream *stream = out->private_data;

	if (!stream->error)
		return NULL;
	return stream->error == ENOMEM ? "out of memory" : trace_error(stream->trace);
}

static void close_sources(const struct arrow_stream *stream)
{
	trace_cursor_close(stream->cursor);
	if (stream->own)
		stream->close(stream->own);
}

static void release(struct ArrowArrayStream *out)
{
	struct arrow_stream *stream = out->private_data;

	close_sources(stream);
	free(stream);
	out->release = NULL;
}

int arrow_stream_export(struct ArrowArrayStream *out, const struct arrow_stream *stream)
{
	struct arrow_stream *copy = malloc(sizeof(*copy));

	*out = (struct ArrowArrayStream){0};
	if (!copy) {
		close_sources(stream);
		return -ENOMEM;
	}
	*copy = *stream;
	*out = (struct ArrowArrayStream){
		.get_schema = get_schema,
		.get_next = get_next,
		.get_last_error = get_last_error,
		.release = release,
		.private_data = copy,
	};
	return 0;
}
