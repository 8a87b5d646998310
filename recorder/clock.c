#include "clock.h"

#include <sys/mman.h>
#include <x86intrin.h>

struct clock clock_state;

bool clock_open(const struct session *s)
{
	size_t bytes = sizeof(*clock_state.slots) << CLOCK_SLOT_BITS;
	void *slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (slots == MAP_FAILED)
		return false;
	clock_state = (struct clock){
		.slots = slots,
		.exact = s->mode & SESSION_EXACT,
		.tsc_start = s->tsc_start,
		.tsc_scale = s->tsc_scale,
	};
	return true;
}

static uint64_t tick(void)
{
	return atomic_load_explicit(&member.session->tick, memory_order_relaxed);
}

void clock_raise(uint64_t clock)
{
	uint64_t last = tick();

	while (last < clock &&
	       !atomic_compare_exchange_weak_explicit(&member.session->tick, &last, clock,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

static uint64_t exact_time(void)
{
	if (!clock_state.tsc_scale)
		return session_now(member.session);
	return (uint64_t)((__uint128_t)(__rdtsc() - clock_state.tsc_start) *
				  clock_state.tsc_scale >>
			  32);
}

uint64_t clock_next(uint64_t rank)
{
	uint64_t clock = tick() + CLOCK_STEP;

	if (clock_state.exact) {
		uint64_t now = exact_time();

		clock = now > clock ? now : clock;
	}
	return rank_raise(rank, rank_make(clock, 0));
}
