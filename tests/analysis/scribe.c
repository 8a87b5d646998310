/*
 * Writes a trace from lines of text on standard input, so that Python tests can lay down every row:
 *
 *   fact KEY VALUE...                 thread TID START_NS EXIT_NS NAME...
 *   module BASE SIZE BUILD_ID PATH    stack SITE (MODULE OFFSET)...
 *   site MODULE OFFSET HEIGHT         mark TEXT...
 *   samples STACK SAMPLES OF_SITE     left OBJECT PAGES
 *   pages BORN DIED                   of the event that comes next
 *   event TIME_NS THREAD KIND SIZE ALIGN OBJECT OLD_OBJECT SITE FLAGS ADDR
 *   flush                             end DURATION_NS LOST LATE REPAIRED
 *
 * Numbers are signed: -1 is TRACE_NONE, TRACE_NO_SITE or TRACE_NO_MODULE. Without the last line the
 * trace is not whole.
 */
#include "traces/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 64

struct line {
	char *rest; /* after the numbers that number() took */
};

static int64_t number(struct line *line)
{
	return (int64_t)strtoull(line->rest, &line->rest, 0);
}

static const char *text(struct line *line)
{
	return line->rest + strspn(line->rest, " ");
}

static struct trace_pages pages = {TRACE_NONE, TRACE_NONE};

static int take_pages(struct line *line)
{
	pages.born = number(line);
	pages.died = number(line);
	return 0;
}

static int write_event(struct trace_writer *w, struct line *line)
{
	const struct trace_pages told = pages;
	struct trace_event event = {0};

	event.time_ns = number(line);
	event.thread = number(line);
	event.kind = number(line);
	event.size = number(line);
	event.align = number(line);
	event.object = number(line);
	event.old_object = number(line);
	event.site = number(line);
	event.flags = number(line);
	event.addr = number(line);
	pages = (struct trace_pages){TRACE_NONE, TRACE_NONE};
	return trace_writer_event_pages(w, &event, &told);
}

static int64_t write_module(struct trace_writer *w, struct line *line)
{
	struct trace_module module = {0};

	module.base_addr = number(line);
	module.size_bytes = number(line);
	line->rest += strspn(line->rest, " ");
	module.build_id = strsep(&line->rest, " ");
	module.path = line->rest ? line->rest : "";
	if (strcmp(module.build_id, "-") == 0)
		module.build_id = "";
	return trace_writer_module(w, &module);
}

static int64_t write_site(struct trace_writer *w, struct line *line)
{
	struct trace_site site = {0};

	site.module = number(line);
	site.offset = number(line);
	site.height = number(line);
	return trace_writer_site(w, &site);
}

static int64_t write_thread(struct trace_writer *w, struct line *line)
{
	struct trace_thread thread = {0};

	thread.tid = number(line);
	thread.start_ns = number(line);
	thread.exit_ns = number(line);
	thread.name = text(line);
	return trace_writer_thread(w, &thread);
}

static int64_t write_stack(struct trace_writer *w, struct line *line)
{
	struct trace_frame frames[WORDS];
	struct trace_stack stack = {.frames = frames};

	stack.site = number(line);
	while (*text(line) && stack.depth < WORDS) {
		frames[stack.depth].module = number(line);
		frames[stack.depth++].offset = number(line);
	}
	return trace_writer_stack(w, &stack);
}

static int write_samples(struct trace_writer *w, struct line *line)
{
	uint32_t stack = (uint32_t)number(line);
	uint64_t samples = number(line), of_site = number(line);

	return trace_writer_samples(w, stack, samples, of_site);
}

static int write_left(struct trace_writer *w, struct line *line)
{
	uint64_t object = number(line), left_pages = number(line);

	return trace_writer_left(w, object, left_pages);
}

static int write_fact(struct trace_writer *w, struct line *line)
{
	const char *key;

	line->rest += strspn(line->rest, " ");
	key = strsep(&line->rest, " ");
	return trace_writer_fact(w, key, line->rest ? line->rest : "");
}

static int64_t write_line(struct trace_writer *w, const char *verb, struct line *line)
{
	if (strcmp(verb, "event") == 0)
		return write_event(w, line);
	if (strcmp(verb, "fact") == 0)
		return write_fact(w, line);
	if (strcmp(verb, "module") == 0)
		return write_module(w, line);
	if (strcmp(verb, "site") == 0)
		return write_site(w, line);
	if (strcmp(verb, "thread") == 0)
		return write_thread(w, line);
	if (strcmp(verb, "stack") == 0)
		return write_stack(w, line);
	if (strcmp(verb, "pages") == 0)
		return take_pages(line);
	if (strcmp(verb, "left") == 0)
		return write_left(w, line);
	if (strcmp(verb, "samples") == 0)
		return write_samples(w, line);
	if (strcmp(verb, "mark") == 0)
		return trace_writer_mark(w, text(line));
	if (strcmp(verb, "flush") == 0)
		return trace_writer_flush(w);
	return -1;
}

int main(int argc, char **argv)
{
	struct trace_totals totals, *whole = NULL;
	struct trace_writer *w;
	char buffer[1 << 16], *verb;
	int64_t status;

	if (argc != 2)
		return 2;
	status = trace_writer_open(&w, argv[1]);
	while (status >= 0 && fgets(buffer, sizeof(buffer), stdin)) {
		struct line line = {buffer};

		buffer[strcspn(buffer, "\n")] = '\0';
		verb = strsep(&line.rest, " ");
		if (!line.rest)
			line.rest = strchr(verb, 0);
		if (strcmp(verb, "end") == 0) {
			totals.duration_ns = number(&line);
			totals.lost_events = number(&line);
			totals.late_events = number(&line);
			totals.repaired_events = number(&line);
			whole = &totals;
		} else {
			status = write_line(w, verb, &line);
		}
	}
	if (status < 0)
		fprintf(stderr, "%s: %s\n", buffer, trace_writer_error(w));
	if (trace_writer_close(w, whole) < 0 || status < 0)
		return 1;
	return 0;
}
