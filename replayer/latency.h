/*
 * --latency: how long the allocator takes for each call, by kind, size and whether another thread
 * had allocated what is freed. Every thread counts in histograms of its own, outside of the heap;
 * what reading the clock costs is subtracted.
 *
 * Buckets are log-linear, as in HdrHistogram (Gil Tene): 64 to a doubling, so that a value is known
 * to 1 part in 128.
 */
#ifndef REPLAYER_LATENCY_H
#define REPLAYER_LATENCY_H

#include "run.h"
#include "worker.h"

/* Measures the clock. alone: one thread of the system executes all workers, who then share. */
void latency_init(bool alone);

/* A call of that kind took so many ticks; size: of the block asked for or freed. */
void latency_add(struct worker *worker, unsigned kind, uint64_t size, bool remote, uint64_t ticks);

/* A thread ends: another one may go on with its histograms. */
void latency_leave(struct worker *worker);

/* All threads together, into the outcome. */
void latency_report(struct run_outcome *outcome);

/* The processor's time stamp: nothing before it is still running, nothing after it has begun. */
static inline uint64_t latency_begin(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint64_t latency_end(void)
{
	uint32_t low, high, processor;

	__asm__ volatile("rdtscp\n\tlfence" : "=a"(low), "=d"(high), "=c"(processor) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Whether an object was allocated by another thread than the worker's. */
static inline bool latency_remote(const struct worker *worker, uint64_t identity)
{
	return (uint32_t)(identity >> 32) != worker->number + 1;
}

#endif
