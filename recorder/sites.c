#include "sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int make_room(struct sites *s, size_t count)
{
	size_t room = s->room ? s->room : 1024;
	uint32_t *numbers;
	struct site *all;

	while (room < count)
		room *= 2;
	if (room == s->room)
		return 0;
	all = realloc(s->all, room * sizeof(*all));
	if (!all)
		return -ENOMEM;
	s->all = all;
	numbers = realloc(s->numbers, room * sizeof(*numbers));
	if (!numbers)
		return -ENOMEM;
	s->numbers = numbers;
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
	s->numbers[0] = TRACE_NO_SITE;
	s->count = 1;
	return 0;
}

int sites_tell(struct sites *s, uint32_t number, const struct site *site)
{
	if (make_room(s, (size_t)number + 1))
		return -ENOMEM;
	for (; s->count <= number; s->count++) {
		s->all[s->count] = (struct site){0};
		s->numbers[s->count] = SITES_UNDEFINED;
	}
	s->all[number] = *site;
	s->numbers[number] = SITES_UNDEFINED;
	return 0;
}

int sites_copy(struct sites *to, const struct sites *from)
{
	int error = sites_init(to);

	if (error || make_room(to, from->count))
		return -ENOMEM;
	memcpy(to->all, from->all, from->count * sizeof(*to->all));
	to->count = from->count;
	for (size_t i = 1; i < to->count; i++) {
		to->numbers[i] = SITES_UNDEFINED;
		to->all[i].walked = false;
	}
	return 0;
}

void sites_fini(struct sites *s)
{
	free(s->all);
	free(s->numbers);
	*s = (struct sites){0};
}
