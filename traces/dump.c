/* haktrace dump: one event a line. */
#include "command.h"
#include "listing.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_FROM = 256, OPTION_TO, OPTION_THREAD, OPTION_JSON, OPTION_SYMBOLS };

struct request {
	const char *path;
	bool json;
	bool symbols;
	bool one_thread;
	uint32_t thread;
	struct trace_range range;
};

static const struct argp_option options[] = {
	{"json", OPTION_JSON, NULL, 0, "Print JSON objects, one a line"},
	{"symbols", OPTION_SYMBOLS, NULL, 0, "Name sites by function, file and line"},
	{"thread", OPTION_THREAD, "N", 0, "Only the rows of thread number N"},
	{"from-ns", OPTION_FROM, "A", 0, "Only rows at or after this time"},
	{"to-ns", OPTION_TO, "B", 0, "Only rows before this time"},
	{0},
};

static uint64_t number_argument(struct argp_state *state, const char *arg, uint64_t max)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(arg, &end, 10);
	if (end == arg || *end || *arg == '-' || errno || number > max)
		argp_error(state, "'%s' is not a number that can be meant here", arg);
	return number;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case OPTION_JSON:
		request->json = true;
		return 0;
	case OPTION_SYMBOLS:
		request->symbols = true;
		return 0;
	case OPTION_THREAD:
		request->thread = (uint32_t)number_argument(state, arg, UINT32_MAX);
		request->one_thread = true;
		return 0;
	case OPTION_FROM:
		request->range.from_ns = number_argument(state, arg, UINT64_MAX);
		return 0;
	case OPTION_TO:
		request->range.to_ns = number_argument(state, arg, UINT64_MAX);
		if (!request->range.to_ns)
			argp_error(state, "nothing happens before 0");
		return 0;
	case ARGP_KEY_ARG:
		if (request->path)
			argp_error(state, "more than one trace");
		request->path = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "TRACE",
	.doc = "Print the rows of a trace in its total order: time in ns, thread, call, site and "
	       "flags, separated by tabs.",
};

static bool is_wanted(const struct request *request, const struct trace_batch *batch, size_t row)
{
	return (!request->one_thread || batch->thread[row] == request->thread) &&
	       batch->time_ns[row] >= request->range.from_ns &&
	       (!request->range.to_ns || batch->time_ns[row] < request->range.to_ns);
}

static int print_rows(struct printer *printer, struct names *names, const struct request *request,
		      struct trace_cursor *cursor)
{
	void (*print)(struct printer *, struct names *, const struct trace_event *,
		      const struct trace_pages *) = request->json ? listing_json : listing_text;
	const struct trace_batch *batch;
	int more;

	while ((more = trace_cursor_next(cursor, &batch)) > 0) {
		for (size_t row = 0; row < batch->rows; row++) {
			struct trace_event event;
			struct trace_pages pages;

			if (!is_wanted(request, batch, row))
				continue;
			event = trace_batch_event(batch, row);
			pages = trace_batch_pages(batch, row);
			print(printer, names, &event, &pages);
		}
		if (printer->error)
			return 0;
	}
	printer_flush(printer);
	return more < 0 ? more : 0;
}

static void tell(const char *sentence)
{
	warnx("%s", sentence);
}

static int dump(struct trace *trace, const struct request *request)
{
	static struct printer printer;
	struct names names;
	struct trace_cursor *cursor = NULL;
	int error;

	printer_init(&printer, stdout);
	error = names_init(&names, trace);
	if (!error && request->symbols)
		error = names_symbolise(&names, trace, tell);
	if (!error)
		error = trace_cursor_open(&cursor, trace, &request->range);
	if (!error)
		error = print_rows(&printer, &names, request, cursor);
	if (printer.error)
		warnx("standard output: %s", strerror(-printer.error));
	else if (error)
		warnx("%s", error == -ENOMEM ? strerror(ENOMEM) : trace_error(trace));
	else if (!trace_complete(trace))
		warnx("%s", trace_error(trace));
	trace_cursor_close(cursor);
	names_fini(&names);
	return error || printer.error ? 1 : 0;
}

int dump_run(int argc, char **argv)
{
	struct request request = {0};
	struct trace *trace;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	trace = command_open(request.path);
	if (!trace)
		return 1;
	status = dump(trace, &request);
	trace_close(trace);
	return status;
}
