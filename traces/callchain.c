#include "callchain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int callchains_init(struct callchains *c, const struct trace *trace,
		    void (*tell)(const char *sentence))
{
	size_t n_stacks = trace_stacks(trace, &c->stacks);

	c->n_modules = trace_modules(trace, &c->modules);
	c->n_sites = trace_sites(trace, &c->sites);
	c->n_frames = 0;
	c->commonest = calloc(c->n_sites + 1, sizeof(*c->commonest));
	c->numbers = calloc(c->n_modules + 1, sizeof(*c->numbers));
	if (symbols_init(&c->symbols, trace, tell) || !c->commonest || !c->numbers)
		return -ENOMEM;
	for (size_t i = 0; i < n_stacks; i++) {
		uint32_t *best = &c->commonest[c->stacks[i].site];

		if (!*best || c->stacks[i].samples > c->stacks[*best - 1].samples)
			*best = (uint32_t)i + 1;
	}
	return 0;
}

void callchains_fini(struct callchains *c)
{
	for (size_t i = 0; c->numbers && i <= c->n_modules; i++)
		idmap_fini(&c->numbers[i]);
	free(c->numbers);
	free(c->commonest);
	symbols_fini(&c->symbols);
}

size_t callchains_frames(struct callchains *c, uint32_t site, const struct trace_frame **frames)
{
	if (site >= c->n_sites)
		return 0;
	if (c->commonest[site]) {
		const struct trace_stack *stack = &c->stacks[c->commonest[site] - 1];

		*frames = stack->frames;
		return stack->depth;
	}
	c->alone = (struct trace_frame){c->sites[site].module, c->sites[site].offset};
	*frames = &c->alone;
	return 1;
}

static void name_unknown(struct callchains *c, const struct trace_frame *frame)
{
	const char *path, *slash;

	if (frame->module >= c->n_modules) {
		snprintf(c->name, sizeof(c->name), "0x%" PRIx64, frame->offset);
		return;
	}
	path = c->modules[frame->module].path;
	slash = strrchr(path, '/');
	snprintf(c->name, sizeof(c->name), "%s+0x%" PRIx64, slash ? slash + 1 : path,
		 frame->offset);
}

size_t callchains_lines(struct callchains *c, const struct trace_frame *frame,
			const struct symbol_line **lines, bool *named)
{
	size_t n = symbols_find(&c->symbols, frame->module, frame->offset - 1, lines);

	if (named)
		*named = n;
	if (n)
		return n;
	name_unknown(c, frame);
	c->unnamed = (struct symbol){c->name, c->name, 0};
	c->unnamed_line = (struct symbol_line){.symbol = &c->unnamed};
	*lines = &c->unnamed_line;
	return 1;
}

int64_t callchains_number(struct callchains *c, const struct trace_frame *frame)
{
	size_t module = frame->module < c->n_modules ? frame->module : c->n_modules;
	struct idmap *numbers = &c->numbers[module];
	uint64_t number = idmap_get(numbers, frame->offset + 1);

	if (number != IDMAP_NONE)
		return (int64_t)number;
	number = c->n_frames++;
	return idmap_set(numbers, frame->offset + 1, number) ? -ENOMEM : (int64_t)number;
}
