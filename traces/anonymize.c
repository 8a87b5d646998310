/*
 * haktrace anonymize: a trace without names. Equal texts get equal replacements, numbered in the
 * order of their definitions; the rows and the code's offsets stay.
 */
#include "command.h"
#include "product.h"
#include "remake.h"

#include <argp.h>
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* Facts about machine and recording that name nobody. */
static const char *const kept[] = {
	"exit_status", "end",        "libc",  "kernel", "machine", "cpu",
	"processors",  "page_bytes", "clock", "site",   "backend", "recorder",
};

/* One text and what stands for it. */
struct alias {
	char *text;
	char replacement[48];
};

/* Texts of one sort, whose replacements differ by a number. */
struct aliases {
	const char *format;
	void *tree; /* of struct alias, by text */
	unsigned count;
};

struct anonymous {
	struct product product;
	struct aliases paths, build_ids, threads, marks;
	struct trace_writer *writer;
	bool failed; /* no memory */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct anonymous *a = state->input;

	(void)arg;
	return key == ARGP_KEY_INIT ? product_input(state, &a->product) : ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.children = product_words,
	.doc = "Write a trace without the names of program, modules, threads and marks. Calls, "
	       "sizes, times, threads' numbers and offsets in the code stay.",
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct alias *)a)->text, ((const struct alias *)b)->text);
}

static void destroy(void *alias)
{
	free(((struct alias *)alias)->text);
	free(alias);
}

/* What stands for a text; an empty one stays. */
static const char *replace(struct anonymous *a, struct aliases *aliases, const char *text)
{
	struct alias key = {.text = (char *)(uintptr_t)text}, *alias, **place;

	if (!*text)
		return text;
	place = tfind(&key, &aliases->tree, compare);
	if (place)
		return (*place)->replacement;
	alias = calloc(1, sizeof(*alias));
	if (alias)
		alias->text = strdup(text);
	if (!alias || !alias->text || !tsearch(alias, &aliases->tree, compare)) {
		a->failed = true;
		return "";
	}
	snprintf(alias->replacement, sizeof(alias->replacement), aliases->format, ++aliases->count);
	return alias->replacement;
}

static const char *change_fact(void *context, const char *key, const char *value)
{
	(void)context;
	if (!strcmp(key, "program") || !strcmp(key, "command"))
		return "/program";
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (!strcmp(key, kept[i]))
			return value;
	return NULL;
}

static void change_module(void *context, struct trace_module *module)
{
	struct anonymous *a = context;

	/* [vdso] and the like are the kernel's. */
	if (*module->path != '[')
		module->path = replace(a, &a->paths, module->path);
	module->build_id = replace(a, &a->build_ids, module->build_id);
}

static void change_thread(void *context, struct trace_thread *thread)
{
	struct anonymous *a = context;

	thread->name = replace(a, &a->threads, thread->name);
}

static const char *change_mark(void *context, const char *text)
{
	struct anonymous *a = context;

	return replace(a, &a->marks, text);
}

static int copy_row(void *context, const struct trace_event *row, const struct trace_pages *pages)
{
	struct trace_event event = *row;
	const struct anonymous *a = context;

	event.addr = 0;
	return trace_writer_event_pages(a->writer, &event, pages);
}

static int copy_lefts(const struct trace *trace, struct trace_writer *writer)
{
	const struct trace_left *lefts;
	size_t n = trace_lefts(trace, &lefts);
	int error = 0;

	for (size_t i = 0; i < n && !error; i++)
		error = trace_writer_left(writer, lefts[i].object, lefts[i].pages);
	return error;
}

static int make(struct trace *trace, struct trace_writer *writer, struct trace_totals *totals,
		void *context)
{
	struct anonymous *a = context;
	const struct remake_hooks hooks = {a, change_fact, change_module, change_thread,
					   change_mark};
	int error = remake_definitions(trace, writer, &hooks);

	a->writer = writer;
	if (a->failed)
		error = -ENOMEM;
	if (!error)
		error = remake_rows(trace, copy_row, a);
	if (!error)
		error = copy_lefts(trace, writer);
	if (trace_totals(trace))
		*totals = *trace_totals(trace);
	return error;
}

int anonymize_run(int argc, char **argv)
{
	struct anonymous a = {
		.paths = {"/module-%u"},
		.build_ids = {"%040x"},
		.threads = {"thread-%u"},
		.marks = {"mark-%u"},
	};
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	status = remake_run(a.product.trace, a.product.output, make, &a);
	tdestroy(a.paths.tree, destroy);
	tdestroy(a.build_ids.tree, destroy);
	tdestroy(a.threads.tree, destroy);
	tdestroy(a.marks.tree, destroy);
	return status;
}
