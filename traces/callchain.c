#include "callchain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int callchains_init(struct callchains *c, const struct trace *trace)
{
	size_t n_stacks = trace_stacks(trace, &c->stacks);

	c->n_modules = trace_modules(trace, &c->modules);
	c->n_sites = trace_sites(trace, &c->sites);
	c->n_frames = 0;
	c->first = calloc(c->n_sites + 1, sizeof(*c->first));
	c->numbers = calloc(c->n_modules + 1, sizeof(*c->numbers));
	if (symbols_init(&c->symbols, trace) || !c->first || !c->numbers)
		return -ENOMEM;
	for (size_t i = n_stacks; i-- > 0;)
		c->first[c->stacks[i].site] = (uint32_t)i + 1;
	return 0;
}

void callchains_fini(struct callchains *c)
{
	for (size_t i = 0; c->numbers && i <= c->n_modules; i++)
		idmap_fini(&c->numbers[i]);
	free(c->numbers);
	free(c->first);
	symbols_fini(&c->symbols);
}

size_t callchains_frames(struct callchains *c, uint32_t site, const struct trace_frame **frames)
{
	if (site >= c->n_sites)
		return 0;
	if (c->first[site]) {
		const struct trace_stack *stack = &c->stacks[c->first[site] - 1];

		*frames = stack->frames;
		return stack->depth;
	}
	c->alone = (struct trace_frame){c->sites[site].module, c->sites[site].offset};
	*frames = &c->alone;
	return 1;
}

struct symbol *callchains_symbol(struct callchains *c, const struct trace_frame *frame)
{
	return symbols_find(&c->symbols, frame->module, frame->offset - 1);
}

const char *callchains_name(struct callchains *c, const struct trace_frame *frame)
{
	const struct symbol *symbol = callchains_symbol(c, frame);
	const char *path, *slash;

	if (symbol)
		return symbol->name;
	if (frame->module >= c->n_modules) {
		snprintf(c->name, sizeof(c->name), "0x%" PRIx64, frame->offset);
		return c->name;
	}
	path = c->modules[frame->module].path;
	slash = strrchr(path, '/');
	snprintf(c->name, sizeof(c->name), "%s+0x%" PRIx64, slash ? slash + 1 : path,
		 frame->offset);
	return c->name;
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
