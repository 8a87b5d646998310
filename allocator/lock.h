/*
 * A lock of one word, for slow paths: spins a little, then sleeps. Zero is an open lock. A thread
 * that holds all locks for a fork passes through them.
 */
#ifndef LOCK_H
#define LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lock {
	_Atomic uint32_t state; /* 0 open, 1 held, 2 held and perhaps waited for */
};

/* How often any lock was waited for. */
extern _Atomic uint64_t lock_waits;

/* This thread holds every lock there is: taking and dropping one does nothing. */
extern __thread bool lock_all __attribute__((visibility("hidden"), tls_model("initial-exec")));

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
	if (__builtin_expect(lock_all, 0))
		return;
	if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
		lock_wake(lock);
}

#endif
