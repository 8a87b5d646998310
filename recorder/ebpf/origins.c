#include "origins.h"

#include "traces/trace.h"

#include <errno.h>
#include <stdlib.h>

#define PLACES_MIN_BITS 10

static int make(struct origins *c, unsigned bits)
{
	*c = (struct origins){
		.places = calloc((size_t)1 << bits, sizeof(*c->places)),
		.mask = ((size_t)1 << bits) - 1,
		.shift = 64 - bits,
	};
	return c->places ? 0 : -ENOMEM;
}

int origins_init(struct origins *c)
{
	return make(c, PLACES_MIN_BITS);
}

void origins_fini(struct origins *c)
{
	free(c->places);
	*c = (struct origins){0};
}

static struct origin *find(const struct origins *c, uint64_t addr, uint32_t height)
{
	size_t at = (addr ^ (uint64_t)height << 32) * 0x9e3779b97f4a7c15u >> c->shift;

	while (c->places[at].addr && (c->places[at].addr != addr || c->places[at].height != height))
		at = (at + 1) & c->mask;
	return c->places + at;
}

/* Moves all but those in a range into a table of another size. */
static int rebuild(struct origins *c, unsigned bits, uint64_t begin, uint64_t end)
{
	struct origins next;

	if (make(&next, bits))
		return -ENOMEM;
	for (size_t i = 0; i <= c->mask; i++) {
		const struct origin *old = c->places + i;

		if (!old->addr || old->addr - begin < end - begin)
			continue;
		*find(&next, old->addr, old->height) = *old;
		next.count++;
	}
	origins_fini(c);
	*c = next;
	return 0;
}

struct origin *origins_place(struct origins *c, uint64_t addr, uint32_t height)
{
	struct origin *place = find(c, addr, height);

	if (__builtin_expect(place->addr != 0, 1))
		return place;
	if (c->count * 2 > c->mask) {
		if (rebuild(c, 65 - c->shift, 0, 0))
			return NULL;
		place = find(c, addr, height);
	}
	*place = (struct origin){
		.addr = addr,
		.height = height,
		.site = TRACE_NO_SITE,
		.patience = ORIGIN_PATIENCE,
	};
	c->count++;
	return place;
}

int origins_forget(struct origins *c, uint64_t begin, uint64_t end)
{
	return rebuild(c, 64 - c->shift, begin, end);
}
