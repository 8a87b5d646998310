/* haktrace verify: every block's checksum, the legality of the order, the trace's end. */
#include "command.h"
#include "order.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *status = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_ARGS:
		*status = state->next; /* index of the first trace */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "TRACE...",
	.doc = "Read traces to their end and check that every block's checksum holds, that the "
	       "order "
	       "is legal and that the trace is whole. Exit status 1 when one is not.",
};

struct position {
	uint64_t block; /* the one being read, from 0 */
	uint64_t row;   /* in it */
	uint64_t rows;  /* checked so far */
};

static int check_batch(struct order *order, const struct trace_batch *batch, struct position *at)
{
	for (at->row = 0; at->row < batch->rows; at->row++) {
		struct trace_event row = trace_batch_event(batch, at->row);
		int error = order_row(order, &row);

		if (error)
			return error;
		at->rows++;
	}
	at->block++;
	return 0;
}

static int check_rows(struct trace *trace, const char *path, struct order *order,
		      struct trace_cursor *cursor)
{
	const struct trace_batch *batch;
	struct position at = {0};
	int error;

	while ((error = trace_cursor_next(cursor, &batch)) > 0) {
		error = check_batch(order, batch, &at);
		if (error)
			break;
	}
	if (error == -EINVAL && *order->error)
		warnx("%s: block %" PRIu64 " row %" PRIu64 ": %s; the %" PRIu64
		      " rows before it are legal",
		      path, at.block, at.row, order->error, at.rows);
	else if (error == -ENOMEM)
		warnx("%s: %s", path, strerror(ENOMEM));
	else if (error || !trace_complete(trace))
		warnx("%s", trace_error(trace));
	else
		return 0;
	return 1;
}

static int verify(const char *path)
{
	struct trace *trace = command_open(path);
	struct trace_cursor *cursor = NULL;
	struct order order;
	int status = 1;

	if (!trace)
		return 1;
	if (order_init(&order, trace))
		warnx("%s: %s", path, strerror(ENOMEM));
	else if (trace_cursor_open(&cursor, trace, NULL))
		warnx("%s", trace_error(trace));
	else
		status = check_rows(trace, path, &order, cursor);
	trace_cursor_close(cursor);
	order_fini(&order);
	trace_close(trace);
	return status;
}

int verify_run(int argc, char **argv)
{
	int first = 0, status = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &first);
	for (int i = first; i < argc; i++)
		status |= verify(argv[i]);
	return status;
}
