/* haktrace import: makes a trace from another tool's log. */
#include "command.h"
#include "importer.h"
#include "lines.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct importer importers[] = {
	{"android", "Android's malloc_debug, as memory_replay reads it", android_line},
};

#define N_IMPORTERS (sizeof(importers) / sizeof(*importers))

struct request {
	const struct importer *importer;
	const char *path;
	const char *output;
};

enum { OPTION_FROM = 256 };

static const struct argp_option options[] = {
	{"from", OPTION_FROM, "FORMAT", 0, "What the log is"},
	{"output", 'o', "TRACE", 0, "The trace to make"},
	{0},
};

static const struct importer *importer_named(const char *name)
{
	for (size_t i = 0; i < N_IMPORTERS; i++)
		if (!strcmp(importers[i].name, name))
			return &importers[i];
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case OPTION_FROM:
		request->importer = importer_named(arg);
		if (!request->importer)
			argp_error(state, "'%s' is no format that can be imported", arg);
		return 0;
	case 'o':
		request->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (request->path)
			argp_error(state, "more than one log");
		request->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!request->path || !request->importer || !request->output)
			argp_error(state, "a log, --from and --output are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Lists the formats after the options. */
static char *list_formats(int key, const char *text, void *input)
{
	char *list = NULL;
	size_t bytes;
	FILE *out;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC || !(out = open_memstream(&list, &bytes)))
		return (char *)text;
	fputs("Formats:\n", out);
	for (size_t i = 0; i < N_IMPORTERS; i++)
		fprintf(out, "  %-8s %s\n", importers[i].name, importers[i].summary);
	fclose(out);
	return list;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "FILE",
	.doc = "Make a trace from the log of another tool; the log may be compressed (gzip, xz, "
	       "zstd, "
	       "zip).\v",
	.help_filter = list_formats,
};

static int read_log(struct lines *lines, const struct importer *importer, struct resolver *resolver,
		    struct trace_writer *writer)
{
	char *line;
	int more;

	while ((more = lines_next(lines, &line)) > 0) {
		struct logged_call call = {.line = lines->number};
		const char *reason;
		int error = importer->line(line, &call, &reason);

		if (error < 0) {
			warnx("%s:%" PRIu64 ": %s", lines->path, lines->number, reason);
			return error;
		}
		if (error == 0)
			continue;
		error = resolver_call(resolver, &call);
		if (error) {
			warnx("%s", trace_writer_error(writer));
			return error;
		}
	}
	if (more < 0)
		warnx("%s", lines->error);
	return more;
}

static void tell_finding(const char *path, const struct resolver_finding *finding, const char *what)
{
	if (finding->calls)
		warnx("%s:%" PRIu64 ": first of %" PRIu64 " %s (0x%" PRIx64 ")", path,
		      finding->line, finding->calls, what, finding->addr);
}

static void tell(const struct request *request, const struct resolver_counts *counts)
{
	tell_finding(request->path, &counts->repaired, "calls moved to make the order legal");
	tell_finding(request->path, &counts->foreign, "frees of blocks that were not allocated");
	tell_finding(request->path, &counts->lost,
		     "allocations of an address that was never freed");
	warnx("%s: %" PRIu64 " calls, of which %" PRIu64 " free(NULL) are left out", request->path,
	      counts->calls, counts->null_frees);
}

/* The facts that a log can give. */
static int write_facts(struct trace_writer *writer, const struct request *request)
{
	const char *slash = strrchr(request->path, '/');
	char source[512];
	int error;

	snprintf(source, sizeof(source), "%s %s", request->importer->name,
		 slash ? slash + 1 : request->path);
	error = trace_writer_fact(writer, "backend", "import");
	if (!error)
		error = trace_writer_fact(writer, "source", source);
	if (!error)
		error = trace_writer_fact(writer, "recorder", "haktrace " HAK_VERSION);
	return error;
}

static int convert(struct lines *lines, struct trace_writer *writer, const struct request *request)
{
	struct resolver *resolver = resolver_create(writer);
	struct trace_totals totals;
	int error = resolver ? write_facts(writer, request) : -ENOMEM;
	int closed;

	if (error)
		warnx("%s: %s", request->output,
		      resolver ? trace_writer_error(writer) : strerror(ENOMEM));
	else
		error = read_log(lines, request->importer, resolver, writer);
	if (!error) {
		error = resolver_finish(resolver, &totals);
		if (!error && !resolver_counts(resolver)->timed)
			error = trace_writer_fact(writer, "clock", "none");
		if (error)
			warnx("%s", trace_writer_error(writer));
	}
	if (!error)
		tell(request, resolver_counts(resolver));
	resolver_destroy(resolver);
	closed = trace_writer_close(writer, error ? NULL : &totals);
	if (closed && !error)
		warnx("%s: %s", request->output, strerror(-closed));
	return error || closed;
}

int import_run(int argc, char **argv)
{
	struct request request = {0};
	struct trace_writer *writer;
	struct lines lines;
	int status = 1;

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	if (lines_open(&lines, request.path)) {
		warnx("%s", lines.error);
	} else if (trace_writer_open(&writer, request.output)) {
		warnx("%s", writer ? trace_writer_error(writer) : strerror(ENOMEM));
		trace_writer_close(writer, NULL);
	} else {
		status = convert(&lines, writer, &request);
	}
	lines_close(&lines);
	return status;
}
