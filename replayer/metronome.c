#include "metronome.h"

#include "engine.h"
#include "roster.h"
#include "setting.h"

#include <immintrin.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define SPIN_NS  60000 /* a sleep may end so much too late: the rest of a wait is spun */

/* Lateness in buckets of a quarter of an octave. */
#define QUARTERS 4
#define BUCKETS  (64 * QUARTERS)

static double speed;
static uint64_t start_ns;
static bool crowded; /* more threads than processors: who waits lets others run */
static _Atomic uint64_t buckets[BUCKETS];
static _Atomic uint64_t late_sum_ns;
static _Atomic uint64_t late_max_ns;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Returns the time at which it is over. */
static uint64_t wait_until(uint64_t due_ns)
{
	uint64_t now;

	while ((now = now_ns()) < due_ns) {
		if (due_ns - now > SPIN_NS)
			sleep_until(due_ns - SPIN_NS);
		else if (crowded)
			sched_yield();
		else
			_mm_pause();
	}
	return now;
}

static unsigned bucket_of(uint64_t ns)
{
	unsigned octave;

	if (ns < QUARTERS)
		return (unsigned)ns;
	octave = 63 - (unsigned)__builtin_clzll(ns);
	return octave * QUARTERS + (unsigned)(ns >> (octave - 2) & (QUARTERS - 1));
}

/* The highest value that a bucket counts. */
static uint64_t bucket_top(unsigned bucket)
{
	unsigned octave = bucket / QUARTERS;

	if (bucket < QUARTERS)
		return bucket;
	return ((uint64_t)(QUARTERS + bucket % QUARTERS + 1) << (octave - 2)) - 1;
}

/* Is it one of the entries that have a gap? */
static bool has_gap(const struct plan_op *op)
{
	unsigned verb = op->code & PLAN_VERB;

	return verb < PLAN_WAIT || verb == PLAN_TOUCH || verb == PLAN_SPAWN || verb == PLAN_EXIT;
}

static void note(uint64_t late_ns)
{
	uint64_t highest = atomic_load_explicit(&late_max_ns, memory_order_relaxed);

	atomic_fetch_add_explicit(&buckets[bucket_of(late_ns)], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&late_sum_ns, late_ns, memory_order_relaxed);
	while (late_ns > highest &&
	       !atomic_compare_exchange_weak_explicit(&late_max_ns, &highest, late_ns,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

void metronome_init(double factor)
{
	uint64_t threads = (uint64_t)roster.plan->running * roster.copies;

	speed = factor;
	crowded = threads > (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	prctl(PR_SET_TIMERSLACK, 1);
}

void metronome_start(void)
{
	start_ns = now_ns();
}

void metronome_shift(uint64_t ns)
{
	start_ns += ns;
}

/*
 * Reading the clock is most of what pacing costs. Who is late already does without until the next
 * slice, or until it may have had to wait for another thread, and catches up the sooner. What its
 * slice has taken meanwhile is not in the lateness that is counted.
 */
void metronome_run(struct worker *worker, uint64_t entries)
{
	uint64_t now = 0; /* when the clock was read last; 0: it has to be */

	for (; entries; entries--) {
		if (has_gap(worker->next)) {
			uint64_t due_ns;

			worker->time_ns += (double)*worker->gap++;
			due_ns = start_ns + (uint64_t)(worker->time_ns / speed);
			if (due_ns >= now)
				now = wait_until(due_ns);
			note(now - due_ns);
		} else {
			now = 0;
		}
		engine_run(worker, 1);
	}
}

/* The lateness that this share of the calls stays within. */
static uint64_t quantile(double share, uint64_t count)
{
	uint64_t wanted = (uint64_t)(share * (double)count);
	uint64_t seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += buckets[i];
		if (seen > wanted)
			return bucket_top(i) < late_max_ns ? bucket_top(i) : late_max_ns;
	}
	return late_max_ns;
}

void metronome_stop(struct run_outcome *outcome)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		count += buckets[i];
	outcome->late = (struct run_late){
		.mean_ns = count ? late_sum_ns / count : 0,
		.p50_ns = quantile(0.5, count),
		.p99_ns = quantile(0.99, count),
		.max_ns = late_max_ns,
	};
}
