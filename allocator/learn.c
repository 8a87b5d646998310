#include "learn.h"

#include "bandit.h"
#include "cache.h"
#include "os.h"
#include "stat.h"
#include "totals.h"
#include "tune.h"

struct tune tune = TUNE_STANDARD;

/* The arms: one value of the standard setting changed in each but the first. */
static const struct tune settings[BANDIT_ARMS] = {
	TUNE_STANDARD,
	{.refill_shift = 2, .cached_shift = 0, .decay_ticks = 16, .whale_bytes = (size_t)8 << 20},
	{.refill_shift = 0, .cached_shift = 0, .decay_ticks = 16, .whale_bytes = (size_t)8 << 20},
	{.refill_shift = 1, .cached_shift = 1, .decay_ticks = 16, .whale_bytes = (size_t)8 << 20},
	{.refill_shift = 1, .cached_shift = 3, .decay_ticks = 16, .whale_bytes = (size_t)8 << 20},
	{.refill_shift = 1, .cached_shift = 0, .decay_ticks = 4, .whale_bytes = (size_t)8 << 20},
	{.refill_shift = 1, .cached_shift = 0, .decay_ticks = 64, .whale_bytes = (size_t)8 << 20},
	{.refill_shift = 1, .cached_shift = 0, .decay_ticks = 16, .whale_bytes = (size_t)128 << 20},
};

/* All below belongs to whoever holds `busy`; one that finds it held leaves the step to later. */
static _Atomic uint32_t busy;
static struct bandit bandit;
static struct hak_stats epoch_begin;
static uint64_t allocations; /* in this epoch */
static unsigned arm;
static double first_cost;

uint64_t learn_cost(const struct hak_stats *before, const struct hak_stats *after)
{
	uint64_t unmapped = after->unmapped_bytes - before->unmapped_bytes;
	uint64_t purged = after->purged_bytes - before->purged_bytes;
	uint64_t cost = 0;

#define WEIGH(field, weight) cost += (after->field - before->field) * (weight);
	LEARN_WEIGHTS(WEIGH)
#undef WEIGH
	cost += unmapped / OS_PAGE * LEARN_UNMAPPED_PAGE_NS;
	cost += purged / OS_PAGE * LEARN_PURGED_PAGE_NS;
	return cost + after->mapped_bytes / OS_PAGE * LEARN_HELD_PAGE_NS;
}

static void epoch_end(void)
{
	struct hak_stats now;
	double cost;

	totals_stats(&now);
	cost = (double)learn_cost(&epoch_begin, &now);
	if (!first_cost)
		first_cost = cost + 1;
	bandit_reward(&bandit, arm, 1 / (1 + cost / first_cost));
	arm = bandit_choose(&bandit);
	tune = settings[arm];
	epoch_begin = now;
	stat_add_shared(&stat_shared.learn_epochs, 1);
	atomic_store_explicit(&stat_shared.learn_setting, bandit_favourite(&bandit),
			      memory_order_relaxed);
}

void learn_step(void)
{
	cache_self.left = TUNE_STEP;
	/* Acquire: pairs with the release of whoever held it before. */
	if (atomic_exchange_explicit(&busy, 1, memory_order_acquire))
		return;
	allocations += TUNE_STEP;
	if (allocations >= LEARN_EPOCH) {
		allocations = 0;
		epoch_end();
	}
	atomic_store_explicit(&busy, 0, memory_order_release);
}
