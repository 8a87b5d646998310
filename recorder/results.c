#include "results.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void results_add(struct results *r, const char *path, int error, uint32_t threads,
		 const struct ledger_counts *counts)
{
	struct result *all = realloc(r->all, (r->count + 1) * sizeof(*all));
	struct stat status;

	if (error && !r->error)
		r->error = error;
	if (!all)
		return;
	r->all = all;
	all[r->count++] = (struct result){
		.path = strdup(path),
		.error = error,
		.threads = threads,
		.bytes = stat(path, &status) == 0 ? (uint64_t)status.st_size : 0,
		.counts = *counts,
	};
}

void results_fini(struct results *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->all[i].path);
	free(r->all);
	*r = (struct results){0};
}
