#include "bias.h"

#define LANE_SHIFT 1
#define LANE_MASK  ((uint64_t)0xffff)
#define TURN_SHIFT 17

_Static_assert(RANK_LANE_BITS < 16, "a word has room for a lane's number plus one");

_Atomic uint64_t bias_word;

static uint32_t lane_of(uint64_t word)
{
	return (uint32_t)(word >> LANE_SHIFT & LANE_MASK) - 1;
}

static uint64_t held_by(uint32_t lane, uint64_t last)
{
	return ((last >> TURN_SHIFT) + 1) << TURN_SHIFT | (uint64_t)(lane + 1) << LANE_SHIFT |
	       BIAS_HELD;
}

/* SESSION_NONE: one that was cut off (track_cut()) and is read by nobody. */
static uint32_t number_of(const struct session_lane *lane)
{
	const struct session *s = member.session;
	size_t number = ((uintptr_t)lane - (uintptr_t)session_lane(s, 0)) / sizeof(*lane);

	return number < s->lanes ? (uint32_t)number : SESSION_NONE;
}

void bias_reset(void)
{
	atomic_store(&bias_word, 0);
}

/* The lane that had the bias goes by its fast path no more. */
static void stop(uint32_t lane)
{
	atomic_store(&session_lane(member.session, lane)->alone, 0);
}

void bias_claim(const struct session_lane *lane)
{
	uint64_t word = bias_now();
	uint32_t lone = atomic_load_explicit(&member.process->lone, memory_order_relaxed);

	if (word & BIAS_HELD || !lone || lone - 1 != number_of(lane))
		return;
	/* Whoever has ended its bias may not have come to that. */
	if (word)
		stop(lane_of(word));
	atomic_compare_exchange_strong(&bias_word, &word, held_by(lone - 1, word));
}

static uint64_t rank_of(uint32_t lane)
{
	return atomic_load(&session_lane(member.session, lane)->rank);
}

/* Not below any lane's of the process. */
static uint64_t above_all(uint64_t rank)
{
	const struct session *s = member.session;
	uint32_t lane = atomic_load(&member.process->lanes);

	for (uint32_t i = 0; i < s->lanes && lane < s->lanes; i++) {
		rank = rank_raise(rank, rank_of(lane));
		lane = session_lane(s, lane)->older;
	}
	return rank;
}

uint64_t bias_heed(const struct session_lane *lane, uint64_t *rank)
{
	uint64_t word = atomic_load(&bias_word), heeded;
	uint32_t number = number_of(lane);

	if (number == SESSION_NONE)
		return word;
	do {
		if (word & BIAS_HELD && lane_of(word) == number)
			heeded = word;
		else
			heeded = word ? word & ~BIAS_HELD : held_by(number, word);
	} while (!atomic_compare_exchange_weak(&bias_word, &word, heeded));
	if (!(heeded & BIAS_HELD))
		stop(lane_of(heeded));
	/* Not to be taken back at once. */
	if (word != heeded && lane_of(word) != number)
		atomic_store(&member.process->lone, 0);
	/* Sequentially consistent, as is the exchange: pairs with pen_jump(). */
	atomic_thread_fence(memory_order_seq_cst);
	*rank = heeded & BIAS_HELD ? above_all(*rank) : rank_raise(*rank, rank_of(lane_of(heeded)));
	return heeded;
}
