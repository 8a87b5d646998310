/* haktrace export: writes a trace in the format of another tool. */
#include "exports.h"

#include "command.h"
#include "product.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct exporter *const exporters[] = {
	&exporter_android, &exporter_collapsed, &exporter_heaptrack,
	&exporter_parquet, &exporter_perfetto,  &exporter_pprof,
};

#define N_EXPORTERS (sizeof(exporters) / sizeof(*exporters))

struct request {
	const struct exporter *exporter;
	const char *path;
	const char *output;
};

enum { OPTION_TO = 256 };

static const struct argp_option options[] = {
	{"to", OPTION_TO, "FORMAT", 0, "What to write"},
	{"output", 'o', "FILE", 0, "The file to make; - for standard output"},
	{0},
};

static const struct exporter *exporter_named(const char *name)
{
	for (size_t i = 0; i < N_EXPORTERS; i++)
		if (!strcmp(exporters[i]->name, name))
			return exporters[i];
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case OPTION_TO:
		request->exporter = exporter_named(arg);
		if (!request->exporter)
			argp_error(state, "'%s' is no format that can be exported to", arg);
		return 0;
	case 'o':
		request->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (request->path)
			argp_error(state, "more than one trace");
		request->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!request->path || !request->exporter || !request->output)
			argp_error(state, "a trace, --to and --output are needed");
		if (request->exporter->opens && !strcmp(request->output, "-"))
			argp_error(state, "%s goes into a file only", request->exporter->name);
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
	for (size_t i = 0; i < N_EXPORTERS; i++)
		fprintf(out, "  %-10s %s\n", exporters[i]->name, exporters[i]->summary);
	fclose(out);
	return list;
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "TRACE",
	.doc = "Write a trace in the format of another tool. Of a trace that is cut short or still "
	       "growing, its whole part is written.\v",
	.help_filter = list_formats,
};

/* Says what went wrong, unless whoever failed has said it. */
static void tell(const struct exporter_job *job, int error)
{
	if (*job->error)
		warnx("%s", job->error);
	else if (error == -ENOMEM)
		warnx("%s: %s", job->path, strerror(ENOMEM));
	else if (error != -ECANCELED)
		warnx("%s", trace_error(job->trace));
}

static int run(const struct exporter *exporter, struct exporter_job *job)
{
	int error = exporter->run(job);

	if (job->stream && (fflush(job->stream) || ferror(job->stream))) {
		warn("%s", job->output);
		return 1;
	}
	if (error) {
		tell(job, error);
		return 1;
	}
	if (!exporter->opens && !trace_complete(job->trace))
		warnx("%s", trace_error(job->trace));
	if (*job->note)
		warnx("%s: %s", job->output, job->note);
	return 0;
}

static int export(const struct exporter *exporter, struct exporter_job *job)
{
	bool standard = !strcmp(job->output, "-");
	int status;

	if (product_is_source(job->output, job->path)) {
		warnx("%s: this is the trace itself", job->output);
		return 1;
	}
	if (standard)
		job->stream = stdout;
	else if (!exporter->opens)
		job->stream = fopen(job->output, "we");
	if (!job->stream && !exporter->opens) {
		warn("%s", job->output);
		return 1;
	}
	status = run(exporter, job);
	if (job->stream && !standard && fclose(job->stream) && !status) {
		warn("%s", job->output);
		status = 1;
	}
	if (status && !standard)
		product_discard(job->output);
	return status;
}

int exports_write(const struct exporter *exporter, const char *path, const char *output)
{
	struct trace *trace = command_open(path);
	struct exporter_job job = {trace, path, output};
	int status;

	if (!trace)
		return 1;
	status = export(exporter, &job);
	trace_close(trace);
	return status;
}

int exports_run(int argc, char **argv)
{
	struct request request = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	return exports_write(request.exporter, request.path, request.output);
}
