#include "remake.h"

#include "command.h"
#include "product.h"

#include <err.h>
#include <errno.h>
#include <string.h>

static int64_t define_facts(const struct trace *trace, struct trace_writer *writer,
			    const struct remake_hooks *hooks)
{
	const char *const *facts;
	size_t count = trace_facts(trace, &facts);
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		const char *key = facts[2 * i], *value = facts[2 * i + 1];

		if (hooks->fact)
			value = hooks->fact(hooks->context, key, value);
		if (value)
			error = trace_writer_fact(writer, key, value);
	}
	return error;
}

static int64_t define_code(const struct trace *trace, struct trace_writer *writer,
			   const struct remake_hooks *hooks)
{
	const struct trace_module *modules;
	const struct trace_site *sites;
	const struct trace_stack *stacks;
	size_t n_modules = trace_modules(trace, &modules);
	size_t n_sites = trace_sites(trace, &sites);
	size_t n_stacks = trace_stacks(trace, &stacks);
	int64_t error = 0;

	for (size_t i = 0; i < n_modules && error >= 0; i++) {
		struct trace_module module = modules[i];

		if (hooks->module)
			hooks->module(hooks->context, &module);
		error = trace_writer_module(writer, &module);
	}
	for (size_t i = 0; i < n_sites && error >= 0; i++)
		error = trace_writer_site(writer, sites + i);
	for (size_t i = 0; i < n_stacks && error >= 0; i++) {
		error = trace_writer_stack(writer, stacks + i);
		if (error >= 0 && stacks[i].site_samples)
			error = trace_writer_samples(writer, (uint32_t)error, stacks[i].samples,
						     stacks[i].site_samples);
	}
	return error < 0 ? error : 0;
}

int remake_definitions(const struct trace *trace, struct trace_writer *writer,
		       const struct remake_hooks *hooks)
{
	const struct trace_thread *threads;
	const char *const *marks;
	size_t n_threads = trace_threads(trace, &threads);
	size_t n_marks = trace_marks(trace, &marks);
	int64_t error = define_facts(trace, writer, hooks);

	if (error >= 0)
		error = define_code(trace, writer, hooks);
	for (size_t i = 0; i < n_threads && error >= 0; i++) {
		struct trace_thread thread = threads[i];

		if (hooks->thread)
			hooks->thread(hooks->context, &thread);
		error = trace_writer_thread(writer, &thread);
	}
	for (size_t i = 0; i < n_marks && error >= 0; i++)
		error = trace_writer_mark(
			writer, hooks->mark ? hooks->mark(hooks->context, marks[i]) : marks[i]);
	return error < 0 ? (int)error : 0;
}

int remake_rows(struct trace *trace,
		int (*row)(void *context, const struct trace_event *event,
			   const struct trace_pages *pages),
		void *context)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	int status = trace_cursor_open(&cursor, trace, NULL), answer = 0;

	if (status)
		return status;
	while (!answer && (status = trace_cursor_next(cursor, &batch)) > 0)
		for (size_t i = 0; i < batch->rows && !answer; i++) {
			struct trace_event event = trace_batch_event(batch, i);
			struct trace_pages pages = trace_batch_pages(batch, i);

			answer = row(context, &event, &pages);
		}
	trace_cursor_close(cursor);
	return answer ? answer : status < 0 ? status : 0;
}

/* What went wrong: trace and writer know, or nobody had memory. */
static void tell(const struct trace *trace, const struct trace_writer *writer, int error)
{
	if (error == -ENOMEM)
		warnx("%s", strerror(ENOMEM));
	else if (*trace_writer_error(writer))
		warnx("%s", trace_writer_error(writer));
	else if (error == -ESRCH || error == -EEXIST || error == -ERANGE)
		warnx("the rows are out of order ('haktrace verify' tells where)");
	else
		warnx("%s", trace_error(trace));
}

int remake_run(const char *path, const char *output,
	       int (*make)(struct trace *, struct trace_writer *, struct trace_totals *, void *),
	       void *context)
{
	struct trace *trace = command_open(path);
	struct trace_writer *writer = NULL;
	struct trace_totals totals = {0};
	int error, closed;

	if (!trace)
		return 1;
	if (product_is_source(output, path)) {
		warnx("%s: this is the trace itself", output);
		trace_close(trace);
		return 1;
	}
	if (trace_writer_open(&writer, output)) {
		warnx("%s", trace_writer_error(writer));
		trace_writer_close(writer, NULL);
		trace_close(trace);
		return 1;
	}
	error = make(trace, writer, &totals, context);
	if (error)
		tell(trace, writer, error);
	else if (!trace_complete(trace))
		warnx("%s", trace_error(trace));
	closed = trace_writer_close(writer, error ? NULL : &totals);
	if (closed && !error)
		warnx("%s: %s", output, strerror(-closed));
	if ((error || closed) && strcmp(output, "-") != 0)
		product_discard(output);
	trace_close(trace);
	return error || closed;
}
