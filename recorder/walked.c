#include "walked.h"

#include "traces/sitekey.h"

/* What equal stacks have in common. */
static uint64_t print_of(const struct walked *walked)
{
	uint64_t print = walked->depth;

	for (size_t i = 0; i < walked->depth; i++)
		print = site_mix(print + walked->addrs[i]);
	return print;
}

static int frame_of(uint64_t addr, const struct unwinder_space *space, struct trace_writer *writer,
		    struct trace_frame *frame)
{
	struct module *module = space->find(space->context, addr);
	int64_t number = module ? modules_number(module, writer) : (int64_t)TRACE_NO_MODULE;

	if (number < 0)
		return (int)number;
	*frame = (struct trace_frame){(uint32_t)number, addr - (module ? module->base_addr : 0)};
	return 0;
}

int walked_keep(const struct walked *walked, struct sites *sites, uint32_t site, uint32_t number,
		const struct unwinder_space *space, struct trace_writer *writer)
{
	struct trace_frame frames[WALKED_DEPTH_MAX];
	struct trace_stack stack = {
		.site = number, .depth = (uint32_t)walked->depth, .frames = frames};
	uint64_t print = print_of(walked);
	int64_t written;

	if (sites_meet(sites, site, print) || !sites_room(sites, site))
		return 0;
	for (size_t i = 0; i < walked->depth; i++) {
		int error = frame_of(walked->addrs[i], space, writer, &frames[i]);

		if (error)
			return error;
	}
	written = trace_writer_stack(writer, &stack);
	return written < 0 ? (int)written : sites_keep(sites, site, print, (uint32_t)written);
}
