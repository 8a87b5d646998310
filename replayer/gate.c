#include "gate.h"

#include "futex.h"

#include <immintrin.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#define POINTS 256 /* where sleepers wait for objects, by slot */
/* Looks that a waiter takes before it sleeps; after how many of them it gives the processor up. */
#define SPINS_ALONE   10000
#define SPINS_CROWDED 400
#define YIELD_ALONE   32
#define YIELD_CROWDED 4

/*
 * The sleeper raises `sleepers`, then looks at the slot; the announcer stores the slot, then looks
 * at `sleepers`: with a full fence in between on both sides at least one sees the other.
 */
struct point {
	alignas(64) _Atomic uint32_t sleepers;
	_Atomic uint32_t turn;
};

enum epoch_state { EPOCH_OPEN, EPOCH_OPEN_WITH_SLEEPERS, EPOCH_DONE };

struct epoch {
	_Atomic uint32_t left;  /* threads that have not done their work in it */
	_Atomic uint32_t state; /* enum epoch_state */
};

static struct point points[POINTS];
static alignas(64) _Atomic int64_t live;
static _Atomic int64_t live_peak;
static unsigned spins;
static unsigned yield_looks;

/*
 * Between two looks. Both threads may have been put on one processor: giving it up now and then
 * lets the other one go on, and the kernel move one of them. Where there are more threads than
 * processors, the one that is waited for hardly ever runs meanwhile.
 */
static void breathe(unsigned look)
{
	if (look % yield_looks == yield_looks - 1)
		sched_yield();
	else
		_mm_pause();
}

static struct point *point_of(const struct slot *slot)
{
	return &points[(uintptr_t)slot / sizeof(*slot) % POINTS];
}

static bool slot_holds(const struct slot *slot, uint64_t identity)
{
	return atomic_load_explicit(&slot->identity, memory_order_acquire) == identity;
}

void gate_wait(const struct slot *slot, uint64_t identity)
{
	struct point *point;

	for (unsigned i = 0; i < spins; i++) {
		if (slot_holds(slot, identity))
			return;
		breathe(i);
	}
	point = point_of(slot);
	atomic_fetch_add(&point->sleepers, 1);
	for (;;) {
		uint32_t turn = atomic_load(&point->turn);

		if (slot_holds(slot, identity))
			break;
		futex_wait(&point->turn, turn);
	}
	atomic_fetch_sub(&point->sleepers, 1);
}

void gate_announce(const struct slot *slot)
{
	struct point *point = point_of(slot);

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&point->sleepers, memory_order_relaxed)) {
		atomic_fetch_add(&point->turn, 1);
		futex_wake_all(&point->turn);
	}
}

/* Moves `done` over every complete epoch, waking who waits for it. */
static void epochs_advance(struct gate *gate)
{
	uint32_t e = atomic_load(&gate->done);

	while (e < gate->n_epochs && !atomic_load(&gate->epochs[e].left)) {
		struct epoch *epoch = &gate->epochs[e];

		if (!atomic_compare_exchange_strong(&gate->done, &e, e + 1))
			continue;
		if (atomic_exchange(&epoch->state, EPOCH_DONE) == EPOCH_OPEN_WITH_SLEEPERS)
			futex_wake_all(&epoch->state);
		e++;
	}
}

/*
 * Spinning pays only where the other thread can run meanwhile. Where everybody has a processor it
 * goes on for longer than a thread takes to wake up: who sleeps makes the next one wait for it.
 */
static void spins_choose(uint64_t threads)
{
	uint64_t processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	bool crowded = threads > processors;

	spins = processors == 1 ? 0 : crowded ? SPINS_CROWDED : SPINS_ALONE;
	yield_looks = crowded ? YIELD_CROWDED : YIELD_ALONE;
}

bool gate_init(struct gate *gate, const struct plan *plan, uint32_t copies)
{
	const uint32_t *left = (const void *)((const char *)plan + plan->epochs_offset);
	size_t bytes = plan->epochs * sizeof(*gate->epochs);

	spins_choose((uint64_t)plan->running * copies);
	if (gate->n_epochs)
		munmap(gate->epochs, gate->n_epochs * sizeof(*gate->epochs));
	gate->window = plan->window;
	gate->n_epochs = plan->epochs;
	atomic_store(&gate->done, 0);
	if (!bytes)
		return true;
	gate->epochs = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (gate->epochs == MAP_FAILED)
		return false;
	for (uint32_t e = 0; e < gate->n_epochs; e++)
		atomic_init(&gate->epochs[e].left, left[e]);
	epochs_advance(gate); /* over those in which nobody has anything to do */
	return true;
}

static bool epoch_done(const struct epoch *epoch)
{
	return atomic_load_explicit(&epoch->state, memory_order_acquire) == EPOCH_DONE;
}

static void epoch_sleep(struct epoch *epoch)
{
	for (;;) {
		uint32_t state = EPOCH_OPEN;

		atomic_compare_exchange_strong(&epoch->state, &state, EPOCH_OPEN_WITH_SLEEPERS);
		if (state == EPOCH_DONE)
			return;
		futex_wait(&epoch->state, EPOCH_OPEN_WITH_SLEEPERS);
	}
}

/*
 * Waits for the window. Who has to sleep sleeps until half the window is free again, lest every
 * epoch of the slowest thread wake everybody.
 */
static void epoch_enter(struct gate *gate, uint32_t enter)
{
	const struct epoch *needed = &gate->epochs[enter - gate->window];

	for (unsigned i = 0; i < spins; i++) {
		if (epoch_done(needed))
			return;
		breathe(i);
	}
	if (!epoch_done(needed))
		epoch_sleep(&gate->epochs[enter - (gate->window + 1) / 2]);
}

void gate_pass(struct gate *gate, uint32_t leave, uint32_t enter)
{
	if (leave != PLAN_NONE && atomic_fetch_sub(&gate->epochs[leave].left, 1) == 1)
		epochs_advance(gate);
	if (enter != PLAN_NONE && enter >= gate->window)
		epoch_enter(gate, enter);
}

void gate_fold(int64_t live_bytes, uint64_t peak_bytes)
{
	int64_t before = atomic_fetch_add_explicit(&live, live_bytes, memory_order_relaxed);
	int64_t peak = before + (int64_t)peak_bytes;
	int64_t highest = atomic_load_explicit(&live_peak, memory_order_relaxed);

	while (peak > highest &&
	       !atomic_compare_exchange_weak_explicit(&live_peak, &highest, peak,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

uint64_t gate_peak_bytes(void)
{
	return (uint64_t)atomic_load(&live_peak);
}
