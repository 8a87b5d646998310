#include "recording.h"

#include "traces/encoder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void recording_fail(struct recording *r, const char *message)
{
	if (!r->message)
		r->message = strdup(message);
}

/* Every trace is made here. */
static int open_trace(const struct recording *r, struct trace_writer **writer, const char *path)
{
	int error = trace_writer_open(writer, path);

	if (error)
		return error;
	trace_writer_limit(*writer, r->max_bytes);
	trace_writer_hurry(*writer);
	return 0;
}

int recording_open(struct recording *r, const char *file, const char *program, pid_t pid)
{
	int error = outputs_init(&r->outputs, file, program, pid);

	if (!error)
		error = open_trace(r, &r->first_writer, r->outputs.file);
	if (error) {
		recording_fail(r, r->first_writer ? trace_writer_error(r->first_writer)
						  : strerror(-error));
		trace_writer_close(r->first_writer, NULL);
		r->first_writer = NULL;
	}
	return error;
}

static struct recording_trace *find(struct recording *r, const char *path)
{
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->traces[i].path, path))
			return r->traces + i;
	return NULL;
}

void recording_move(struct recording *r, char **path, const char *program, pid_t pid,
		    uint32_t image)
{
	char *earlier = outputs_earlier_path(&r->outputs, program, pid, image);

	/* Process ids come again: another process may have had the name. */
	while (earlier && find(r, earlier)) {
		free(earlier);
		earlier = outputs_earlier_path(&r->outputs, program, pid, ++image);
	}
	if (earlier && rename(*path, earlier) == 0) {
		free(*path);
		*path = earlier;
	} else {
		free(earlier);
	}
}

struct trace_writer *recording_begin(struct recording *r, bool first, const char *program,
				     pid_t pid, char **path)
{
	struct trace_writer *writer = first ? r->first_writer : NULL;
	struct recording_trace *older;

	*path = outputs_path(&r->outputs, first, program, pid);
	if (!*path) {
		recording_fail(r, strerror(ENOMEM));
		return NULL;
	}
	if (writer) {
		r->first_writer = NULL;
		return writer;
	}
	older = find(r, *path);
	if (older)
		recording_move(r, &older->path, program, pid, 1);
	if (open_trace(r, &writer, *path)) {
		recording_fail(r, writer ? trace_writer_error(writer) : strerror(ENOMEM));
		if (writer)
			trace_writer_close(writer, NULL);
		return NULL;
	}
	return writer;
}

void recording_add(struct recording *r, const char *path, const char *message, uint32_t threads,
		   const struct ledger_counts *counts)
{
	struct recording_trace *traces = realloc(r->traces, (r->count + 1) * sizeof(*traces));
	struct stat status;

	if (message)
		recording_fail(r, message);
	if (!traces)
		return;
	r->traces = traces;
	traces[r->count++] = (struct recording_trace){
		.path = strdup(path),
		.message = message ? strdup(message) : NULL,
		.threads = threads,
		.bytes = stat(path, &status) == 0 ? (uint64_t)status.st_size : 0,
		.counts = *counts,
	};
}

struct ticker_figures recording_figures(const struct recording *r)
{
	struct ticker_figures f = {0};

	for (size_t i = 0; i < r->count; i++) {
		f.events += r->traces[i].counts.events;
		f.lost += r->traces[i].counts.lost;
		f.threads += r->traces[i].threads;
		f.file_bytes += r->traces[i].bytes;
	}
	return f;
}

void recording_close(struct recording *r)
{
	struct stat status;

	if (!r->first_writer)
		return;
	trace_writer_close(r->first_writer, NULL);
	r->first_writer = NULL;
	if (stat(r->outputs.file, &status) == 0 && S_ISREG(status.st_mode))
		unlink(r->outputs.file);
}

void recording_fini(struct recording *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->traces[i].path);
		free(r->traces[i].message);
	}
	free(r->traces);
	outputs_fini(&r->outputs);
	free(r->message);
	*r = (struct recording){0};
}
