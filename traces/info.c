/* haktrace info: the figures of a trace as one JSON object, or as one line each. */
#include "command.h"
#include "summary.h"

#include <argp.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_JSON = 256 };

struct request {
	const char *path;
	bool json;
};

static const struct argp_option options[] = {
	{"json", OPTION_JSON, NULL, 0, "Print one JSON object"},
	{0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *request = state->input;

	switch (key) {
	case OPTION_JSON:
		request->json = true;
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
	.doc = "Read a trace and show its figures. What is not known is null. A trace that is "
	       "damaged "
	       "or still growing is described as far as it is whole.",
};

static void add_number(struct json_object *info, const char *key, uint64_t number)
{
	json_object_object_add(info, key, json_object_new_uint64(number));
}

static void add_ratio(struct json_object *info, const char *key, double part, double whole)
{
	char digits[32];
	struct json_object *ratio = NULL;

	if (whole > 0) {
		snprintf(digits, sizeof(digits), "%.4f", part / whole);
		ratio = json_object_new_double_s(part / whole, digits);
	}
	json_object_object_add(info, key, ratio);
}

/* A fact; as a number when it has to be one and is. */
static void add_fact(struct json_object *info, const struct trace *trace, const char *key,
		     bool number)
{
	const char *fact = trace_fact(trace, key);
	struct json_object *value = NULL;
	char *end;

	if (fact && number) {
		uint64_t n = strtoull(fact, &end, 10);

		if (end != fact && !*end)
			value = json_object_new_uint64(n);
	} else if (fact) {
		value = json_object_new_string(fact);
	}
	json_object_object_add(info, key, value);
}

/* What the trace's maker alone can know, if it said so. */
static void add_totals(struct json_object *info, const struct trace_totals *totals)
{
	const char *lost = "lost_events", *late = "late_events", *repaired = "repaired_events";

	if (totals) {
		add_number(info, lost, totals->lost_events);
		add_number(info, late, totals->late_events);
		add_number(info, repaired, totals->repaired_events);
	} else {
		json_object_object_add(info, lost, NULL);
		json_object_object_add(info, late, NULL);
		json_object_object_add(info, repaired, NULL);
	}
}

static void add_duration(struct json_object *info, const struct trace *trace,
			 const struct trace_totals *totals, const struct summary *s)
{
	const char *clock = trace_fact(trace, "clock");

	if (clock && !strcmp(clock, "none"))
		json_object_object_add(info, "duration_ns", NULL);
	else
		add_number(info, "duration_ns", totals ? totals->duration_ns : s->last_ns);
}

/* Why the trace ends, or how the program did. */
static void add_end(struct json_object *info, const struct trace *trace)
{
	const char *end = trace_fact(trace, "end"), *status = trace_fact(trace, "exit_status");
	struct json_object *value = NULL;
	char text[64];

	if (end) {
		value = json_object_new_string(end);
	} else if (status) {
		snprintf(text, sizeof(text), "%s%s", *status == 's' ? "" : "exit ", status);
		value = json_object_new_string(text);
	}
	json_object_object_add(info, "end", value);
}

/* Sites with a stack, and how many samples of a stack are its site's commonest one. */
static void add_stacks(struct json_object *info, const struct trace *trace)
{
	const struct trace_stack *stacks;
	const struct trace_site *sites;
	size_t n = trace_stacks(trace, &stacks), n_sites = trace_sites(trace, &sites);
	const struct trace_stack **commonest = calloc(n_sites + 1, sizeof(*commonest));
	uint64_t with = 0, samples = 0, common = 0;

	for (size_t i = 0; commonest && i < n; i++) {
		const struct trace_stack **best = &commonest[stacks[i].site];

		if (!*best || stacks[i].samples > (*best)->samples)
			*best = &stacks[i];
	}
	for (size_t i = 0; commonest && i < n_sites; i++) {
		with += commonest[i] != NULL;
		if (!commonest[i] || commonest[i]->site_samples < 2)
			continue;
		samples += commonest[i]->site_samples;
		common += commonest[i]->samples;
	}
	free(commonest);
	add_number(info, "stacks", with);
	add_ratio(info, "stack_purity_ratio", (double)common, (double)samples);
}

/* What is known of how much large blocks were touched. */
static void add_pages(struct json_object *info, const struct summary *s)
{
	const struct {
		const char *key;
		uint64_t number;
	} figures[] = {
		{"measured_pages", s->measured_pages},
		{"touched_pages_low", s->touched_pages_low},
		{"touched_pages_high", s->touched_pages_high},
	};

	add_number(info, "measured_objects", s->measured_objects);
	for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		if (s->measured_objects)
			add_number(info, figures[i].key, figures[i].number);
		else
			json_object_object_add(info, figures[i].key, NULL);
	}
}

static struct json_object *describe(const struct trace *trace, const struct summary *s,
				    bool complete)
{
	const struct trace_totals *totals = complete ? trace_totals(trace) : NULL;
	struct json_object *info = json_object_new_object();

	add_number(info, "events", s->events);
	add_number(info, "allocs", s->allocs);
	add_number(info, "frees", s->frees);
	add_number(info, "reallocs", s->reallocs);
	add_number(info, "failed_allocs", s->failed_allocs);
	add_number(info, "threads", s->threads);
	add_number(info, "sites", s->sites);
	add_stacks(info, trace);
	add_number(info, "objects", s->objects);
	add_number(info, "remote_frees", s->remote_frees);
	add_number(info, "peak_live_bytes", s->peak_live_bytes);
	add_number(info, "peak_live_objects", s->peak_live_objects);
	add_number(info, "leaked_objects", s->leaked_objects);
	add_number(info, "leaked_bytes", s->leaked_bytes);
	add_pages(info, s);
	add_totals(info, totals);
	add_number(info, "foreign_frees", s->foreign_frees);
	add_duration(info, trace, totals, s);
	add_number(info, "file_bytes", trace_file_bytes(trace));
	add_ratio(info, "bytes_per_event", (double)trace_file_bytes(trace), (double)s->events);
	json_object_object_add(info, "complete", json_object_new_boolean(complete));
	add_end(info, trace);
	add_fact(info, trace, "program", false);
	add_fact(info, trace, "command", false);
	add_fact(info, trace, "pid", true);
	add_fact(info, trace, "backend", false);
	add_number(info, "format_version", TRACE_FORMAT_VERSION);
	return info;
}

static void print_lines(struct json_object *info)
{
	json_object_object_foreach(info, key, value)
	{
		printf("%-19s", key);
		if (!value)
			puts("unknown");
		else if (json_object_is_type(value, json_type_string))
			puts(json_object_get_string(value));
		else
			puts(json_object_to_json_string(value));
	}
}

static int inform(struct trace *trace, const struct request *request)
{
	struct summary summary;
	struct json_object *info;
	int error = summary_read(&summary, trace);

	if (error && error != -EBADMSG) {
		warnx("%s", error == -ENOMEM ? strerror(ENOMEM) : trace_error(trace));
		return 1;
	}
	if (error || !trace_complete(trace))
		warnx("%s", trace_error(trace));
	if (summary.illegal)
		warnx("%s: %" PRIu64 " rows are out of order ('haktrace verify' tells where)",
		      request->path, summary.illegal);
	info = describe(trace, &summary, !error && trace_complete(trace));
	if (request->json)
		puts(json_object_to_json_string_ext(info, JSON_C_TO_STRING_SPACED |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_lines(info);
	json_object_put(info);
	return 0;
}

int info_run(int argc, char **argv)
{
	struct request request = {0};
	struct trace *trace;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &request);
	trace = command_open(request.path);
	if (!trace)
		return 1;
	status = inform(trace, &request);
	trace_close(trace);
	return status;
}
