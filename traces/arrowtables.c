/* The streams of a trace's tables: each delivers one record batch, counted in rows. */
#include "arrowcolumns.h"
#include "arrowstream.h"

#include <stdlib.h>

#define N(array) (sizeof(array) / sizeof(*(array)))

static const struct arrow_column thread_columns[] = {
	{"tid", "L"}, {"name", "U"}, {"start_ns", "l"}, {"exit_ns", "l", true}};

static const struct arrow_column module_columns[] = {
	{"path", "U"}, {"build_id", "U"}, {"base_addr", "L"}, {"size_bytes", "L"}};

static const struct arrow_column site_columns[] = {
	{"module", "U", true}, {"build_id", "U", true}, {"offset", "L"},           {"height", "I"},
	{"key", "L"},          {"stack_samples", "L"},  {"commonest_samples", "L"}};

static const struct arrow_column stack_columns[] = {{"site", "I"},         {"depth", "I"},
						    {"module", "U", true}, {"offset", "L"},
						    {"stack", "I"},        {"samples", "L"}};

static const struct arrow_column fact_columns[] = {{"key", "U"}, {"value", "U"}};

static int next_threads(struct arrow_stream *stream, struct ArrowArray *out)
{
	const struct trace_thread *threads;
	size_t n = trace_threads(stream->trace, &threads);
	struct arrow_columns c;

	if (stream->rows++)
		return 0;
	arrow_columns_init(&c, stream->columns, stream->n_columns, n);
	for (size_t i = 0; i < n; i++) {
		arrow_columns_number(&c, 0, i, threads[i].tid);
		arrow_columns_text(&c, 1, i, threads[i].name);
		arrow_columns_number(&c, 2, i, threads[i].start_ns);
		if (threads[i].exit_ns == TRACE_NONE)
			arrow_columns_null(&c, 3, i);
		else
			arrow_columns_number(&c, 3, i, threads[i].exit_ns);
	}
	return arrow_columns_finish(&c, out);
}

static int next_modules(struct arrow_stream *stream, struct ArrowArray *out)
{
	const struct trace_module *modules;
	size_t n = trace_modules(stream->trace, &modules);
	struct arrow_columns c;

	if (stream->rows++)
		return 0;
	arrow_columns_init(&c, stream->columns, stream->n_columns, n);
	for (size_t i = 0; i < n; i++) {
		arrow_columns_text(&c, 0, i, modules[i].path);
		arrow_columns_text(&c, 1, i, modules[i].build_id);
		arrow_columns_number(&c, 2, i, modules[i].base_addr);
		arrow_columns_number(&c, 3, i, modules[i].size_bytes);
	}
	return arrow_columns_finish(&c, out);
}

/* Columns 5 and 6 of the sites. */
static void put_samples(struct arrow_columns *c, const struct trace *trace)
{
	uint64_t *commonest = calloc(c->rows + 1, sizeof(*commonest));
	const struct trace_stack *stacks;
	size_t n = trace_stacks(trace, &stacks);

	c->failed |= !commonest;
	for (size_t i = 0; commonest && i < n; i++) {
		uint64_t *most = &commonest[stacks[i].site];

		*most = stacks[i].samples > *most ? stacks[i].samples : *most;
		arrow_columns_number(c, 5, stacks[i].site, stacks[i].site_samples);
		arrow_columns_number(c, 6, stacks[i].site, *most);
	}
	free(commonest);
}

static int next_sites(struct arrow_stream *stream, struct ArrowArray *out)
{
	const struct trace_module *modules;
	const struct trace_site *sites;
	size_t n_modules = trace_modules(stream->trace, &modules);
	size_t n = trace_sites(stream->trace, &sites);
	struct arrow_columns c;

	if (stream->rows++)
		return 0;
	arrow_columns_init(&c, stream->columns, stream->n_columns, n);
	for (size_t i = 0; i < n; i++) {
		if (sites[i].module < n_modules) {
			arrow_columns_text(&c, 0, i, modules[sites[i].module].path);
			arrow_columns_text(&c, 1, i, modules[sites[i].module].build_id);
		} else {
			arrow_columns_null(&c, 0, i);
			arrow_columns_null(&c, 1, i);
		}
		arrow_columns_number(&c, 2, i, sites[i].offset);
		arrow_columns_number(&c, 3, i, sites[i].height);
		arrow_columns_number(&c, 4, i, trace_site_key(stream->trace, (uint32_t)i));
	}
	put_samples(&c, stream->trace);
	return arrow_columns_finish(&c, out);
}

static int next_stacks(struct arrow_stream *stream, struct ArrowArray *out)
{
	const struct trace_module *modules;
	const struct trace_stack *stacks;
	size_t n_modules = trace_modules(stream->trace, &modules);
	size_t n = trace_stacks(stream->trace, &stacks), rows = 0, row = 0;
	struct arrow_columns c;

	if (stream->rows++)
		return 0;
	for (size_t i = 0; i < n; i++)
		rows += stacks[i].depth;
	arrow_columns_init(&c, stream->columns, stream->n_columns, rows);
	for (size_t i = 0; i < n; i++) {
		for (uint32_t depth = 0; depth < stacks[i].depth; depth++, row++) {
			const struct trace_frame *frame = &stacks[i].frames[depth];

			arrow_columns_number(&c, 0, row, stacks[i].site);
			arrow_columns_number(&c, 1, row, depth);
			if (frame->module < n_modules)
				arrow_columns_text(&c, 2, row, modules[frame->module].path);
			else
				arrow_columns_null(&c, 2, row);
			arrow_columns_number(&c, 3, row, frame->offset);
			arrow_columns_number(&c, 4, row, i);
			arrow_columns_number(&c, 5, row, stacks[i].samples);
		}
	}
	return arrow_columns_finish(&c, out);
}

static int next_facts(struct arrow_stream *stream, struct ArrowArray *out)
{
	const char *const *facts;
	size_t n = trace_facts(stream->trace, &facts);
	struct arrow_columns c;

	if (stream->rows++)
		return 0;
	arrow_columns_init(&c, stream->columns, stream->n_columns, n);
	for (size_t i = 0; i < n; i++) {
		arrow_columns_text(&c, 0, i, facts[2 * i]);
		arrow_columns_text(&c, 1, i, facts[2 * i + 1]);
	}
	return arrow_columns_finish(&c, out);
}

static int open_table(struct trace *trace, const struct arrow_column *columns, size_t n_columns,
		      int (*next)(struct arrow_stream *, struct ArrowArray *),
		      struct ArrowArrayStream *out)
{
	const struct arrow_stream stream = {
		.trace = trace,
		.columns = columns,
		.n_columns = n_columns,
		.next = next,
	};

	return arrow_stream_export(out, &stream);
}

int trace_arrow_threads(struct trace *trace, struct ArrowArrayStream *out)
{
	return open_table(trace, thread_columns, N(thread_columns), next_threads, out);
}

int trace_arrow_modules(struct trace *trace, struct ArrowArrayStream *out)
{
	return open_table(trace, module_columns, N(module_columns), next_modules, out);
}

int trace_arrow_sites(struct trace *trace, struct ArrowArrayStream *out)
{
	return open_table(trace, site_columns, N(site_columns), next_sites, out);
}

int trace_arrow_stacks(struct trace *trace, struct ArrowArrayStream *out)
{
	return open_table(trace, stack_columns, N(stack_columns), next_stacks, out);
}

int trace_arrow_facts(struct trace *trace, struct ArrowArrayStream *out)
{
	return open_table(trace, fact_columns, N(fact_columns), next_facts, out);
}
