#include "sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int make_room(struct sites *s, size_t count)
{
	size_t room = s->room ? s->room : 1024;
	struct site *all;

	while (room < count)
		room *= 2;
	if (room == s->room)
		return 0;
	all = realloc(s->all, room * sizeof(*all));
	if (!all)
		return -ENOMEM;
	s->all = all;
	s->room = room;
	return 0;
}

int sites_tell(struct sites *s, uint32_t number, const struct site *site)
{
	if (make_room(s, (size_t)number + 1))
		return -ENOMEM;
	for (; s->count <= number; s->count++)
		s->all[s->count] = (struct site){.number = TRACE_NO_SITE};
	s->all[number] = *site;
	s->all[number].number = TRACE_NO_SITE;
	return 0;
}

int sites_copy(struct sites *to, const struct sites *from)
{
	*to = (struct sites){0};
	if (!from->count)
		return 0;
	if (make_room(to, from->count))
		return -ENOMEM;
	memcpy(to->all, from->all, from->count * sizeof(*to->all));
	to->count = from->count;
	for (size_t i = 0; i < to->count; i++) {
		to->all[i].number = TRACE_NO_SITE;
		to->all[i].walked = false;
	}
	return 0;
}

void sites_fini(struct sites *s)
{
	free(s->all);
	*s = (struct sites){0};
}
