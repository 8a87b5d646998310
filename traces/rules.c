/* haktrace rules: writes rules for hakmem from the statistics of a trace. */
#include "advice.h"
#include "command.h"
#include "exports.h"
#include "product.h"

#include <argp.h>
#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* From here on a rule is worth its line. */
#define REUSES      16
#define REUSED_MOST 256 /* blocks at once, which is what the allocator keeps for a site */
#define REMOTES     64

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	return key == ARGP_KEY_INIT ? product_input(state, state->input) : ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	.parser = parse,
	.children = product_words,
	.doc = "Write rules for hakmem (HAKMEM_OPTIONS=rules=FILE) from what a trace tells of its "
	       "call sites: large blocks that could be reused, blocks that grow, blocks that "
	       "another thread frees. OUT may be -, standard output.",
};

/* What was written. */
struct count {
	unsigned rules, keep, grow, remote;
	bool heights;
};

/* How rules name the module; NULL: they cannot. */
static const char *module_name(const struct trace_module *module)
{
	const char *slash = strrchr(module->path, '/');
	const char *name = slash ? slash + 1 : module->path;

	if (*module->build_id)
		return module->build_id;
	return *name && !strpbrk(name, " \t\r\n#") ? name : NULL;
}

static void write_site(FILE *out, const char *module, const struct trace_site *site,
		       const struct advice *advice, struct count *count)
{
	bool keep = advice->large_reuses >= REUSES && advice->large_peak <= REUSED_MOST;
	bool remote = advice->small_remotes >= REMOTES &&
		      2 * advice->small_remotes >= advice->small_frees;
	uint64_t room = advice_room(advice);

	if (!keep && !remote && !room)
		return;
	if (keep)
		fprintf(out, "# %" PRIu64 " large blocks, %" PRIu64 " bytes, could be reused\n",
			advice->large_reuses, advice->large_reused_bytes);
	if (room)
		fprintf(out, "# %" PRIu64 " reallocs let %" PRIu64 " blocks grow\n",
			advice->growths, advice->lines);
	if (remote)
		fprintf(out, "# another thread frees %" PRIu64 " of %" PRIu64 " blocks\n",
			advice->small_remotes, advice->small_frees);
	fprintf(out, "%s+0x%" PRIx64 "@%" PRIu32 "%s", module, site->offset, site->height,
		keep ? " keep" : "");
	if (room)
		fprintf(out, " grow=%" PRIu64, room);
	fputs(remote ? " remote\n" : "\n", out);
	count->rules++;
	count->keep += keep;
	count->grow += room > 0;
	count->remote += remote;
}

static void write_all(struct exporter_job *job, const struct advice *advice, struct count *count)
{
	const struct trace_module *modules;
	const struct trace_site *sites;
	size_t n = trace_sites(job->trace, &sites);

	trace_modules(job->trace, &modules);
	for (size_t i = 0; i < n; i++) {
		const char *module = sites[i].module == TRACE_NO_MODULE
					     ? NULL
					     : module_name(modules + sites[i].module);

		count->heights |= sites[i].height != 0;
		if (module)
			write_site(job->stream, module, sites + i, advice + i, count);
	}
}

static int write_rules(struct exporter_job *job)
{
	const char *command = trace_fact(job->trace, "command");
	struct advice *advice = NULL;
	struct count count = {0};
	int error = advice_read(&advice, job);

	if (!error) {
		fputs("# Rules for hakmem from a trace", job->stream);
		if (command && !strchr(command, '\n'))
			fprintf(job->stream, " of: %s", command);
		fputc('\n', job->stream);
		write_all(job, advice, &count);
		snprintf(job->note, sizeof(job->note), "%u rules: %u keep, %u grow, %u remote%s",
			 count.rules, count.keep, count.grow, count.remote,
			 count.heights || !count.rules ? ""
						       : "; the trace has no stack heights, so "
							 "they serve replays alone");
	}
	free(advice);
	return error;
}

static const struct exporter rules = {.name = "rules", .run = write_rules};

int rules_run(int argc, char **argv)
{
	struct product product = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &product);
	return exports_write(&rules, product.trace, product.output);
}
