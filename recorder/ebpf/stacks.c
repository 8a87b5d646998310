#include "stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUDGET     50      /* one part of the program's time in so many may go into copies */
#define ADVANCE_NS 2000000 /* of time that may be spent beforehand */
#define COPY_NS    3000    /* what a copy is taken to cost until it is there */

int stacks_init(struct stacks *s, uint32_t *wanted)
{
	*s = (struct stacks){
		.wanted = wanted,
		.unwinder = unwinder_create(),
		.copy = malloc(sizeof(*s->copy) + RING_STACK_PAGES * RING_PAGE),
	};
	if (s->unwinder && s->copy)
		return 0;
	stacks_fini(s);
	return -ENOMEM;
}

void stacks_fini(struct stacks *s)
{
	if (s->unwinder)
		unwinder_destroy(s->unwinder);
	free(s->copy);
	*s = (struct stacks){0};
}

void stacks_want(struct stacks *s, uint64_t caller, uint32_t height, uint64_t clock, bool first)
{
	uint32_t bit = RING_WANTED(caller, height);

	if (s->spent_ns * BUDGET * (first ? 1 : 2) > clock + ADVANCE_NS)
		return;
	s->spent_ns += COPY_NS;
	/* The kernel part takes it back when the copy is made. */
	__atomic_fetch_or(&s->wanted[bit / 32], 1u << bit % 32, __ATOMIC_RELAXED);
}

size_t stacks_walk(struct stacks *s, const struct ring_stack *m, size_t bytes,
		   const struct unwinder_space *space, uint64_t *addrs, size_t room)
{
	uint32_t below = (uint32_t)(m->frame % RING_PAGE); /* copied, but not the caller's */

	if (m->bytes > bytes - sizeof(*m) || m->bytes > RING_STACK_PAGES * RING_PAGE)
		return 0;
	s->spent_ns += m->cost_ns;
	s->spent_ns -= s->spent_ns < COPY_NS ? s->spent_ns : COPY_NS;
	*s->copy = (struct note_stack){
		.bytes = m->bytes > below ? m->bytes - below : 0,
		.addr = m->caller,
		.frame = m->frame,
		.base = m->base,
	};
	memcpy(s->copy->stack, (const char *)(m + 1) + below, s->copy->bytes);
	return unwinder_walk(s->unwinder, s->copy, space, addrs, room);
}
