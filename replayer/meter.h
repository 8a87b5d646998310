/* Reads the clocks and the kernel's counters of this process, without allocating. */
#ifndef REPLAYER_METER_H
#define REPLAYER_METER_H

#include "run.h"

/*
 * The runner's own memory is mapped and resident between these two calls: what they see appear is
 * not the allocator's, nor what is there of mapped files' pages and of the first thread's stack.
 * The second one also forgets the peak of resident memory so far.
 */
void meter_own_begin(void);
void meter_own_end(void);

/* The clocks run between these two, which fill the outcome. */
void meter_start(void);
void meter_stop(struct run_outcome *outcome);

/* The clocks stand still between these two; after work only the wall clock, and while idle. */
void meter_pause(void);
void meter_resume(bool work);

/*
 * The same around the making of another part of the plan, which also may change the runner's own
 * memory. The second one returns how long the wall clock stood still.
 */
void meter_part_end(void);
uint64_t meter_part_begin(void);

/* Anonymous memory that is resident now, without the runner's own. */
uint64_t meter_heap_bytes(void);

/*
 * Notes how much memory is resident now; the clocks stand still meanwhile. The kernel's own peak is
 * known only to some dozens of pages, samples are exact.
 */
void meter_sample(void);

#endif
