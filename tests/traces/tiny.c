#include "tiny.h"

#include "traces/trace.h"

int tiny_write(const char *path)
{
	const struct trace_thread thread = {7, "main", 0, TRACE_NONE};
	const struct trace_totals totals = {.duration_ns = 3000};
	struct trace_event birth = {.kind = TRACE_MALLOC,
				    .time_ns = 1000,
				    .size = 24,
				    .old_object = TRACE_NONE,
				    .site = TRACE_NO_SITE};
	struct trace_event death = {
		.kind = TRACE_FREE, .time_ns = 2000, .object = TRACE_NONE, .site = TRACE_NO_SITE};
	struct trace_writer *w;
	int err = trace_writer_open(&w, path);

	err |= trace_writer_flush(w);
	err |= trace_writer_fact(w, "program", "/bin/true");
	err |= trace_writer_thread(w, &thread) != 0;
	err |= trace_writer_event(w, &birth);
	err |= trace_writer_event(w, &death);
	err |= trace_writer_close(w, &totals);
	return err;
}
