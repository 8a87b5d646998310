/* A lock for short work within this process, which a signal handler may ask for; waiting threads
 * sleep. Keeps errno. */
#ifndef RECORDER_LATCH_H
#define RECORDER_LATCH_H

#include "doze.h"

#include <errno.h>
#include <stdbool.h>

#define LATCH_CROWDED 1u /* threads wait */
#define LATCH_NAP_NS  UINT64_C(1000000000)

struct latch {
	_Atomic uint32_t holder; /* 0: free; else the thread, and LATCH_CROWDED */
};

/* The calling thread: where its descriptor lies. Never 0, even. */
static inline uint32_t latch_self(void)
{
	return (uint32_t)((uintptr_t)__builtin_thread_pointer() >> 6) << 1 | 2;
}

/* False: this very thread holds it, and was interrupted by a handler that asks as well. */
static inline bool latch_lock(struct latch *l)
{
	uint32_t self = latch_self(), mine = self, holder = 0;
	int saved = errno;

	/* Acquire: pairs with the release of latch_unlock(). */
	while (!atomic_compare_exchange_strong_explicit(
		&l->holder, &holder, mine, memory_order_acquire, memory_order_relaxed)) {
		if ((holder & ~LATCH_CROWDED) == self)
			return false;
		if (holder & LATCH_CROWDED ||
		    atomic_compare_exchange_strong(&l->holder, &holder, holder | LATCH_CROWDED))
			doze(&l->holder, holder | LATCH_CROWDED, LATCH_NAP_NS);
		/* Others may be asleep still. */
		mine = self | LATCH_CROWDED;
		holder = 0;
	}
	errno = saved;
	return true;
}

/* In a forked child, where no other thread is. True: one held it, and what it guards may be half
 * changed. */
static inline bool latch_orphaned(struct latch *l)
{
	uint32_t holder = atomic_load(&l->holder);

	if (!holder || (holder & ~LATCH_CROWDED) == latch_self())
		return false;
	atomic_store(&l->holder, 0);
	return true;
}

static inline void latch_unlock(struct latch *l)
{
	int saved = errno;

	if (atomic_exchange_explicit(&l->holder, 0, memory_order_release) & LATCH_CROWDED)
		doze_wake(&l->holder, 1);
	errno = saved;
}

#endif
