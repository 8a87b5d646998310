#include "names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int names_init(struct names *n, const struct trace *trace)
{
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
}

static char *site_label(const struct names *n, const struct trace_site *site)
{
	const char *file = "", *plus = "";
	char *label;

	if (site->module < n->n_modules) {
		const char *path = n->modules[site->module].path;
		const char *slash = strrchr(path, '/');

		file = slash ? slash + 1 : path;
		plus = "+";
	}
	if (asprintf(&label, "%s%s0x%" PRIx64 "@%" PRIu32, file, plus, site->offset, site->height) <
	    0)
		return NULL;
	return label;
}

const char *names_site(struct names *n, uint32_t site)
{
	if (site >= n->n_sites)
		return "-";
	if (!n->labels[site])
		n->labels[site] = site_label(n, &n->sites[site]);
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
