#include "callers.h"

#include "traces/trace.h"

#include <errno.h>
#include <stdlib.h>

#define PLACES_MIN_BITS 10

static int make(struct callers *c, unsigned bits)
{
	*c = (struct callers){
		.places = calloc((size_t)1 << bits, sizeof(*c->places)),
		.mask = ((size_t)1 << bits) - 1,
		.shift = 64 - bits,
	};
	return c->places ? 0 : -ENOMEM;
}

int callers_init(struct callers *c)
{
	return make(c, PLACES_MIN_BITS);
}

void callers_fini(struct callers *c)
{
	free(c->places);
	*c = (struct callers){0};
}

static struct caller *find(const struct callers *c, uint64_t addr, uint32_t height)
{
	size_t at = (addr ^ (uint64_t)height << 32) * 0x9e3779b97f4a7c15u >> c->shift;

	while (c->places[at].addr && (c->places[at].addr != addr || c->places[at].height != height))
		at = (at + 1) & c->mask;
	return c->places + at;
}

/* Moves all but those in a range into a table of another size. */
static int rebuild(struct callers *c, unsigned bits, uint64_t begin, uint64_t end)
{
	struct callers next;

	if (make(&next, bits))
		return -ENOMEM;
	for (size_t i = 0; i <= c->mask; i++) {
		const struct caller *old = c->places + i;

		if (!old->addr || old->addr - begin < end - begin)
			continue;
		*find(&next, old->addr, old->height) = *old;
		next.count++;
	}
	callers_fini(c);
	*c = next;
	return 0;
}

struct caller *callers_place(struct callers *c, uint64_t addr, uint32_t height)
{
	struct caller *place = find(c, addr, height);

	if (__builtin_expect(place->addr != 0, 1))
		return place;
	if (c->count * 2 > c->mask) {
		if (rebuild(c, 65 - c->shift, 0, 0))
			return NULL;
		place = find(c, addr, height);
	}
	*place = (struct caller){.addr = addr, .height = height, .site = TRACE_NO_SITE};
	c->count++;
	return place;
}

int callers_forget(struct callers *c, uint64_t begin, uint64_t end)
{
	return rebuild(c, 64 - c->shift, begin, end);
}
