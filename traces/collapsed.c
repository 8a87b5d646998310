/*
 * Collapsed stacks, as FlameGraph, speedscope and others read them: a line for each call chain, its
 * functions from the outermost to the innermost, separated by semicolons, a blank, and the bytes
 * that were allocated there. Lines are sorted, and those of equal chains are one.
 */
#include "callchain.h"
#include "usage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct line {
	char *chain;
	uint64_t bytes;
};

/* A name without what has a meaning in such files. */
static void put_name(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(*name == ';' ? ':' : (unsigned char)*name < ' ' ? ' ' : *name, out);
}

/* The functions of a frame, those inlined into others after them. */
static void put_frame(FILE *out, struct callchains *chains, const struct trace_frame *frame,
		      bool last)
{
	const struct symbol_line *lines;
	size_t n = callchains_lines(chains, frame, &lines, NULL);

	while (n-- > 0) {
		put_name(out, lines[n].symbol->name);
		if (n || !last)
			fputc(';', out);
	}
}

static char *chain_of(struct callchains *chains, uint32_t site)
{
	const struct trace_frame *frames = NULL;
	size_t depth = callchains_frames(chains, site, &frames), bytes;
	char *text = NULL;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	for (size_t i = depth; i-- > 0;)
		put_frame(out, chains, &frames[i], i == 0);
	if (!depth)
		fputs(CALLCHAIN_UNKNOWN, out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->chain, ((const struct line *)b)->chain);
}

static void print(FILE *out, struct line *lines, size_t n)
{
	if (n)
		qsort(lines, n, sizeof(*lines), compare);
	for (size_t i = 0; i < n;) {
		uint64_t bytes = 0;
		size_t first = i;

		for (; i < n && !strcmp(lines[i].chain, lines[first].chain); i++)
			bytes += lines[i].bytes;
		if (bytes)
			fprintf(out, "%s %" PRIu64 "\n", lines[first].chain, bytes);
	}
}

static int write_lines(struct exporter_job *job, struct callchains *chains,
		       const struct usage *usage)
{
	struct line *lines = calloc(chains->n_sites + 1, sizeof(*lines));
	size_t n = 0;
	int error = lines ? 0 : -ENOMEM;

	for (size_t i = 0; !error && i <= chains->n_sites; i++) {
		if (!usage[i].alloc_objects)
			continue;
		lines[n].chain =
			chain_of(chains, i < chains->n_sites ? (uint32_t)i : TRACE_NO_SITE);
		if (lines[n].chain)
			lines[n++].bytes = usage[i].alloc_bytes;
		else
			error = -ENOMEM;
	}
	if (!error)
		print(job->stream, lines, n);
	while (n)
		free(lines[--n].chain);
	free(lines);
	return error;
}

static int run(struct exporter_job *job)
{
	struct callchains chains;
	struct usage *usage = NULL;
	int error = callchains_init(&chains, job->trace, exporter_tell);

	if (!error)
		error = usage_read(&usage, job);
	if (!error)
		error = write_lines(job, &chains, usage);
	free(usage);
	callchains_fini(&chains);
	return error;
}

const struct exporter exporter_collapsed = {
	.name = "collapsed",
	.summary = "bytes allocated by call chain, as FlameGraph reads them",
	.run = run,
};
