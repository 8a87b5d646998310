#include "clock.h"

#include <sys/mman.h>

struct clock clock_state;

bool clock_open(const struct session *s)
{
	size_t bytes = sizeof(*clock_state.slots) << CLOCK_SLOT_BITS;
	void *slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (slots == MAP_FAILED)
		return false;
	clock_state.slots = slots;
	clock_state.tsc_start = s->tsc_start;
	clock_state.tsc_scale = s->tsc_scale;
	clock_state.coarse = !(s->mode & SESSION_EXACT);
	return true;
}

void clock_raise(uint64_t clock)
{
	uint64_t tick = clock_tick();

	while (tick < clock &&
	       !atomic_compare_exchange_weak_explicit(&member.session->tick, &tick, clock,
						      memory_order_relaxed, memory_order_relaxed))
		;
}
