#include "lock.h"

#include "os.h"
#include "processor.h"

#define SPINS 64

_Atomic uint64_t lock_waits;
__thread bool lock_all __attribute__((tls_model("initial-exec")));

void lock_wait(struct lock *lock)
{
	if (lock_all)
		return;
	atomic_fetch_add_explicit(&lock_waits, 1, memory_order_relaxed);
	for (int spin = 0; spin < SPINS; spin++) {
		uint32_t open = 0;

		if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_weak_explicit(
			    &lock->state, &open, 1, memory_order_acquire, memory_order_relaxed))
			return;
		PROCESSOR_RELAX();
	}
	while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
		os_wait(&lock->state, 2);
}

void lock_wake(struct lock *lock)
{
	os_wake(&lock->state, 1);
}
