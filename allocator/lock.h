/* A lock of one word, for slow paths: spins a little, then sleeps. Zero is an open lock. */
#ifndef LOCK_H
#define LOCK_H

#include <stdatomic.h>
#include <stdint.h>

struct lock {
	_Atomic uint32_t state; /* 0 open, 1 held, 2 held and perhaps waited for */
};

/* How often any lock was waited for. */
extern _Atomic uint64_t lock_waits;

void lock_wait(struct lock *lock);
void lock_wake(struct lock *lock);

static inline void lock_take(struct lock *lock)
{
	uint32_t open = 0;

	/* Acquire: pairs with the release of the holder before, in lock_drop. */
	if (!atomic_compare_exchange_strong_explicit(&lock->state, &open, 1, memory_order_acquire,
						     memory_order_relaxed))
		lock_wait(lock);
}

static inline void lock_drop(struct lock *lock)
{
	if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
		lock_wake(lock);
}

/* In a forked child: nobody else can hold or await it. */
static inline void lock_reset(struct lock *lock)
{
	atomic_store_explicit(&lock->state, 0, memory_order_relaxed);
}

#endif
