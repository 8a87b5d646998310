#include "names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int names_init(struct names *n, const struct trace *trace)
{
	n->symbolic = false;
	n->n_modules = trace_modules(trace, &n->modules);
	n->n_sites = trace_sites(trace, &n->sites);
	n->n_threads = trace_threads(trace, &n->threads);
	n->n_marks = trace_marks(trace, &n->marks);
	n->labels = calloc(n->n_sites + 1, sizeof(*n->labels));
	return n->labels ? 0 : -ENOMEM;
}

void names_fini(struct names *n)
{
	for (size_t i = 0; n->labels && i < n->n_sites; i++)
		free(n->labels[i]);
	free(n->labels);
	if (n->symbolic)
		symbols_fini(&n->symbols);
}

int names_symbolise(struct names *n, const struct trace *trace, void (*tell)(const char *sentence))
{
	n->symbolic = true;
	return symbols_init(&n->symbols, trace, tell);
}

size_t names_lines(struct names *n, uint32_t site, const struct symbol_line **lines)
{
	if (!n->symbolic || site >= n->n_sites)
		return 0;
	/* An offset is a return address: the call lies before it. */
	return symbols_find(&n->symbols, n->sites[site].module, n->sites[site].offset - 1, lines);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static char *symbolic_label(const struct symbol_line *lines, size_t n, uint32_t height)
{
	char *label = NULL;
	size_t bytes;
	FILE *out = open_memstream(&label, &bytes);

	if (!out)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%s%s", i ? " < " : "", lines[i].symbol->name);
		if (lines[i].file)
			fprintf(out, " (%s:%" PRIu32 ")", base_name(lines[i].file), lines[i].line);
	}
	fprintf(out, "@%" PRIu32, height);
	if (!fclose(out))
		return label;
	free(label);
	return NULL;
}

static char *site_label(const struct names *n, const struct trace_site *site)
{
	const char *file = "", *plus = "";
	char *label;

	if (site->module < n->n_modules) {
		file = base_name(n->modules[site->module].path);
		plus = "+";
	}
	if (asprintf(&label, "%s%s0x%" PRIx64 "@%" PRIu32, file, plus, site->offset, site->height) <
	    0)
		return NULL;
	return label;
}

const char *names_site(struct names *n, uint32_t site)
{
	const struct symbol_line *lines;
	size_t depth;

	if (site >= n->n_sites)
		return "-";
	if (!n->labels[site]) {
		depth = names_lines(n, site, &lines);
		n->labels[site] = depth ? symbolic_label(lines, depth, n->sites[site].height)
					: site_label(n, &n->sites[site]);
	}
	return n->labels[site] ? n->labels[site] : "?";
}

const char *names_mark(const struct names *n, uint64_t number)
{
	return number < n->n_marks ? n->marks[number] : "";
}

/* Every combination is named, so that printing costs one look-up. */
const char *names_flags(uint8_t flags)
{
	static const char *const names[16] = {
		NULL,
		"failed",
		"moved",
		"failed,moved",
		"foreign",
		"failed,foreign",
		"moved,foreign",
		"failed,moved,foreign",
		"repaired",
		"failed,repaired",
		"moved,repaired",
		"failed,moved,repaired",
		"foreign,repaired",
		"failed,foreign,repaired",
		"moved,foreign,repaired",
		"failed,moved,foreign,repaired",
	};

	return names[flags & 15];
}
