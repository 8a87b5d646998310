#include "objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST_BITS 10

static int make(struct objects *o, unsigned bits)
{
	size_t bytes = sizeof(struct object) << bits;
	void *places =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (places == MAP_FAILED)
		return -ENOMEM;
	/* Large pages where there are some: places are far apart. */
	madvise(places, bytes, MADV_HUGEPAGE);
	o->places = places;
	o->mask = ((size_t)1 << bits) - 1;
	o->shift = 64 - bits;
	o->alive = 0;
	return 0;
}

int objects_init(struct objects *o)
{
	return make(o, FIRST_BITS);
}

void objects_fini(struct objects *o)
{
	if (o->places)
		munmap(o->places, (o->mask + 1) * sizeof(struct object));
	*o = (struct objects){0};
}

int objects_copy(struct objects *to, const struct objects *from)
{
	if (make(to, 64 - from->shift))
		return -ENOMEM;
	memcpy(to->places, from->places, (from->mask + 1) * sizeof(struct object));
	to->alive = from->alive;
	return 0;
}

int objects_grow(struct objects *o)
{
	struct objects larger;

	if (make(&larger, 64 - o->shift + 1))
		return -ENOMEM;
	for (size_t i = 0; i <= o->mask; i++)
		if (o->places[i].addr)
			*objects_place(&larger, o->places[i].addr) = o->places[i];
	larger.alive = o->alive;
	objects_fini(o);
	*o = larger;
	return 0;
}

void objects_remove(struct objects *o, struct object *place)
{
	size_t hole = (size_t)(place - o->places);
	size_t i = hole;

	/* Each that would be sought across the hole moves into it. */
	for (;;) {
		size_t home;

		i = (i + 1) & o->mask;
		if (!o->places[i].addr)
			break;
		home = objects_hash(o, o->places[i].addr);
		if (((i - home) & o->mask) >= ((i - hole) & o->mask)) {
			o->places[hole] = o->places[i];
			hole = i;
		}
	}
	o->places[hole].addr = 0;
	o->alive--;
}
