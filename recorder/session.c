/*
 * Numbers handed out and taken back by both sides without a lock: stacks of free ones, and above
 * them those never used. Async-signal-safe; errno is the caller's to keep.
 */
#include "session.h"

#include "doze.h"

#include <stddef.h>
#include <time.h>

/* Where the link of element number lies, of so many. */
struct links {
	char *base;
	size_t stride;
	uint32_t count;
};

static _Atomic uint32_t *link_of(struct links links, uint32_t number)
{
	return (_Atomic uint32_t *)(links.base + (size_t)number * links.stride);
}

static uint32_t stack_pop(struct session_stack *stack, struct links links)
{
	/* Acquire: pairs with the release of the push, whose link is read here. */
	uint64_t top = atomic_load_explicit(&stack->top, memory_order_acquire);

	while ((uint32_t)top) {
		uint32_t number = (uint32_t)top - 1;
		uint32_t next;

		/* A broken program has written over the links. */
		if (number >= links.count)
			return SESSION_NONE;
		next = atomic_load_explicit(link_of(links, number), memory_order_relaxed);
		uint64_t below = (top >> 32 << 32) + ((uint64_t)1 << 32) + next;

		if (atomic_compare_exchange_weak_explicit(
			    &stack->top, &top, below, memory_order_acquire, memory_order_acquire))
			return number;
	}
	return SESSION_NONE;
}

static void stack_push(struct session_stack *stack, struct links links, uint32_t number)
{
	uint64_t top = atomic_load_explicit(&stack->top, memory_order_relaxed);
	uint64_t above;

	do {
		atomic_store_explicit(link_of(links, number), (uint32_t)top, memory_order_relaxed);
		above = (top >> 32 << 32) + ((uint64_t)1 << 32) + number + 1;
	} while (!atomic_compare_exchange_weak_explicit(
		&stack->top, &top, above, memory_order_acq_rel, memory_order_relaxed));
}

/* The next number never used, below end. */
static uint32_t make(_Atomic uint32_t *made, uint32_t end)
{
	uint32_t number = atomic_load_explicit(made, memory_order_relaxed);

	while (number < end)
		if (atomic_compare_exchange_weak_explicit(
			    made, &number, number + 1, memory_order_relaxed, memory_order_relaxed))
			return number;
	return SESSION_NONE;
}

static struct links chunk_links(struct session *s)
{
	return (struct links){session_at(s, s->links_at), sizeof(uint32_t),
			      s->chunks + s->long_chunks};
}

static struct links lane_links(struct session *s)
{
	return (struct links){(char *)&session_lane(s, 0)->next, sizeof(struct session_lane),
			      s->lanes};
}

static struct links process_links(struct session *s)
{
	return (struct links){(char *)&session_process(s, 0)->next, sizeof(struct session_process),
			      s->processes};
}

uint64_t session_now(const struct session *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - s->start_ns;
}

/* Chunks to be made for what is not urgent. Each lane may keep one, which hakrec gives back no
 * sooner than when it reads the next: those are not counted. */
static uint32_t chunks_wanted(const struct session *s)
{
	return s->chunks_wanted + atomic_load_explicit(&s->lanes_made, memory_order_relaxed);
}

uint32_t session_take_chunk(struct session *s, bool urgent)
{
	uint32_t chunk = stack_pop(&s->free_chunks, chunk_links(s));

	if (chunk != SESSION_NONE)
		return chunk;
	return make(&s->chunks_made, urgent ? s->chunks : chunks_wanted(s));
}

uint32_t session_take_long(struct session *s)
{
	uint32_t chunk = stack_pop(&s->free_long, chunk_links(s));

	if (chunk != SESSION_NONE)
		return chunk;
	chunk = make(&s->long_made, s->long_chunks);
	return chunk == SESSION_NONE ? SESSION_NONE : s->chunks + chunk;
}

static bool none_free(const struct session_stack *stack)
{
	return !(uint32_t)atomic_load_explicit(&stack->top, memory_order_relaxed);
}

bool session_short(const struct session *s)
{
	return none_free(&s->free_chunks) && none_free(&s->free_long) &&
	       atomic_load_explicit(&s->chunks_made, memory_order_relaxed) >= chunks_wanted(s) &&
	       atomic_load_explicit(&s->long_made, memory_order_relaxed) >= s->long_chunks;
}

void session_give_chunk(struct session *s, uint32_t chunk)
{
	stack_push(session_is_long(s, chunk) ? &s->free_long : &s->free_chunks, chunk_links(s),
		   chunk);
}

uint32_t session_take_lane(struct session *s)
{
	uint32_t lane = stack_pop(&s->free_lanes, lane_links(s));

	return lane != SESSION_NONE ? lane : make(&s->lanes_made, s->lanes);
}

void session_give_lane(struct session *s, uint32_t lane)
{
	stack_push(&s->free_lanes, lane_links(s), lane);
}

uint32_t session_take_process(struct session *s)
{
	uint32_t process = stack_pop(&s->free_processes, process_links(s));

	return process != SESSION_NONE ? process : make(&s->processes_made, s->processes);
}

void session_give_process(struct session *s, uint32_t process)
{
	stack_push(&s->free_processes, process_links(s), process);
}

uint32_t session_take_spare(struct session *s, struct session_process *p)
{
	return stack_pop(&p->spare, lane_links(s));
}

void session_give_spare(struct session *s, struct session_process *p, uint32_t lane)
{
	stack_push(&p->spare, lane_links(s), lane);
}

void session_arrive(struct session *s, uint32_t process)
{
	stack_push(&s->arrivals, process_links(s), process);
	session_ring(s);
}

uint32_t session_take_arrivals(struct session *s)
{
	/* Acquire: pairs with the release of the push. */
	return (uint32_t)atomic_exchange_explicit(&s->arrivals.top, 0, memory_order_acq_rel) - 1;
}

uint32_t session_arrived_before(const struct session *s, uint32_t process)
{
	return session_process(s, process)->next - 1;
}

void session_feed(struct session *s)
{
	if (!atomic_load(&s->starving) || !atomic_exchange(&s->starving, 0))
		return;
	atomic_fetch_add(&s->freed, 1);
	doze_wake(&s->freed, INT32_MAX);
}

void session_ring(struct session *s)
{
	atomic_fetch_add(&s->bell, 1);
	doze_wake(&s->bell, 1);
}
