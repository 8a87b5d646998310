/* haktrace import: makes a trace from another tool's log. */
#include "callers.h"
#include "command.h"
#include "importer.h"
#include "lines.h"
#include "product.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct importer *const importers[] = {
	&importer_android,
	&importer_logalloc,
	&importer_malloclab,
	&importer_mtrace,
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
		if (!strcmp(importers[i]->name, name))
			return importers[i];
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
		fprintf(out, "  %-10s %s\n", importers[i]->name, importers[i]->summary);
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

/* What turns lines into rows. */
struct conversion {
	const struct request *request;
	struct lines *lines;
	struct trace_writer *writer;
	struct resolver *resolver;
	struct callers callers;
	void *memory; /* the importer's */
};

static int convert_entry(struct conversion *c, struct log_entry *entry)
{
	if (entry->caller) {
		int64_t site =
			callers_site(&c->callers, c->writer, entry->caller_file, entry->caller);

		if (site < 0)
			return (int)site;
		entry->call.site = (uint32_t)site;
	}
	return resolver_call(c->resolver, &entry->call);
}

static int convert_line(struct conversion *c, char *line)
{
	struct log_entry entry = {.call.line = c->lines->number, .call.site = TRACE_NO_SITE};
	const char *reason;
	int error = c->request->importer->line(c->memory, line, &entry, &reason);

	if (error < 0)
		warnx("%s:%" PRIu64 ": %s", c->lines->path, c->lines->number, reason);
	if (error <= 0)
		return error;
	error = convert_entry(c, &entry);
	if (error)
		warnx("%s", error == -ENOMEM ? strerror(ENOMEM) : trace_writer_error(c->writer));
	return error;
}

static int end_log(const struct conversion *c)
{
	char note[IMPORTER_NOTE_BYTES] = "";
	int error = 0;

	if (c->request->importer->end)
		error = c->request->importer->end(c->memory, note);
	if (*note)
		warnx("%s:%" PRIu64 ": %s", c->lines->path, c->lines->number, note);
	return error;
}

static int read_log(struct conversion *c)
{
	char *line;
	int more;

	while ((more = lines_next(c->lines, &line)) > 0) {
		int error = convert_line(c, line);

		if (error)
			return error;
	}
	if (more < 0)
		warnx("%s", c->lines->error);
	return more < 0 ? more : end_log(c);
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

static int finish(struct conversion *c, struct trace_totals *totals)
{
	int error = resolver_finish(c->resolver, totals);

	if (!error && !resolver_counts(c->resolver)->timed)
		error = trace_writer_fact(c->writer, "clock", "none");
	if (error)
		warnx("%s", trace_writer_error(c->writer));
	else
		tell(c->request, resolver_counts(c->resolver));
	return error;
}

static int convert(struct lines *lines, struct trace_writer *writer, const struct request *request)
{
	struct conversion c = {
		.request = request,
		.lines = lines,
		.writer = writer,
		.resolver = resolver_create(writer),
		.memory = calloc(1, request->importer->memory_bytes + 1),
	};
	struct trace_totals totals;
	int error = c.resolver && c.memory ? write_facts(writer, request) : -ENOMEM;
	int closed;

	if (error)
		warnx("%s: %s", request->output,
		      error == -ENOMEM ? strerror(ENOMEM) : trace_writer_error(writer));
	else
		error = read_log(&c);
	if (!error)
		error = finish(&c, &totals);
	callers_fini(&c.callers);
	free(c.memory);
	resolver_destroy(c.resolver);
	closed = trace_writer_close(writer, error ? NULL : &totals);
	if (closed && !error)
		warnx("%s: %s", request->output, strerror(-closed));
	return error || closed;
}

static int make_trace(struct lines *lines, const struct request *request)
{
	struct trace_writer *writer;

	if (product_is_source(request->output, request->path)) {
		warnx("%s: this is the log itself", request->output);
		return 1;
	}
	if (trace_writer_open(&writer, request->output)) {
		warnx("%s", writer ? trace_writer_error(writer) : strerror(ENOMEM));
		trace_writer_close(writer, NULL);
		return 1;
	}
	return convert(lines, writer, request) ? 1 : 0;
}

int import_run(int argc, char **argv)
{
	struct request request = {0};
	struct lines lines;
	int status = 1;

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	if (lines_open(&lines, request.path))
		warnx("%s", lines.error);
	else
		status = make_trace(&lines, &request);
	lines_close(&lines);
	return status;
}
