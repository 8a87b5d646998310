#include "sites.h"

#include "traces/encoder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int make_room(struct sites *s, size_t count)
{
	size_t room = s->room ? s->room : 1024;
	uint64_t *codes;
	struct site *all;

	while (room < count)
		room *= 2;
	if (room == s->room)
		return 0;
	all = realloc(s->all, room * sizeof(*all));
	if (!all)
		return -ENOMEM;
	s->all = all;
	codes = realloc(s->codes, room * sizeof(*codes));
	if (!codes)
		return -ENOMEM;
	s->codes = codes;
	s->room = room;
	return 0;
}

int sites_init(struct sites *s)
{
	*s = (struct sites){0};
	if (make_room(s, 1)) {
		sites_fini(s);
		return -ENOMEM;
	}
	s->all[0] = (struct site){0};
	s->count = 1;
	sites_define(s, 0, TRACE_NO_SITE);
	return 0;
}

static void undefine(struct sites *s, size_t site)
{
	s->all[site].number = SITES_UNDEFINED;
	s->codes[site] = SITES_UNCODED;
}

void sites_define(struct sites *s, uint32_t site, uint32_t number)
{
	s->all[site].number = number;
	s->codes[site] = encoder_site_code(number);
}

int sites_tell(struct sites *s, uint32_t number, const struct site *site)
{
	if (!number) /* a program that scribbles says so */
		return 0;
	if (make_room(s, (size_t)number + 1))
		return -ENOMEM;
	for (; s->count <= number; s->count++) {
		s->all[s->count] = (struct site){0};
		undefine(s, s->count);
	}
	s->all[number] = *site;
	undefine(s, number);
	s->codes[0] = SITES_UNCODED; /* rows have sites from now on */
	return 0;
}

int sites_copy(struct sites *to, const struct sites *from)
{
	int error = sites_init(to);

	if (error || make_room(to, from->count))
		return -ENOMEM;
	memcpy(to->all, from->all, from->count * sizeof(*to->all));
	to->count = from->count;
	to->codes[0] = from->codes[0];
	for (size_t i = 1; i < to->count; i++) {
		undefine(to, i);
		to->all[i].samples = to->all[i].stack = 0;
	}
	return 0;
}

bool sites_meet(struct sites *s, uint32_t site, uint64_t print)
{
	s->all[site].samples++;
	for (uint32_t i = s->all[site].stack; i; i = s->stacks[i - 1].before)
		if (s->stacks[i - 1].print == print) {
			s->stacks[i - 1].samples++;
			return true;
		}
	return false;
}

bool sites_room(const struct sites *s, uint32_t site)
{
	unsigned kept = 0;

	for (uint32_t i = s->all[site].stack; i; i = s->stacks[i - 1].before)
		kept++;
	return kept < SITES_STACKS;
}

int sites_keep(struct sites *s, uint32_t site, uint64_t print, uint32_t number)
{
	if (s->n_stacks == s->stacks_room) {
		size_t room = s->stacks_room ? s->stacks_room * 2 : 256;
		struct site_stack *stacks = realloc(s->stacks, room * sizeof(*stacks));

		if (!stacks)
			return -ENOMEM;
		s->stacks = stacks;
		s->stacks_room = room;
	}
	s->stacks[s->n_stacks++] = (struct site_stack){print, number, 1, site, s->all[site].stack};
	s->all[site].stack = (uint32_t)s->n_stacks;
	return 0;
}

int sites_write_samples(const struct sites *s, struct trace_writer *writer)
{
	for (size_t i = 0; i < s->n_stacks; i++) {
		const struct site_stack *stack = &s->stacks[i];
		int error = trace_writer_samples(writer, stack->number, stack->samples,
						 s->all[stack->site].samples);

		if (error)
			return error;
	}
	return 0;
}

void sites_fini(struct sites *s)
{
	free(s->all);
	free(s->codes);
	free(s->stacks);
	*s = (struct sites){0};
}
