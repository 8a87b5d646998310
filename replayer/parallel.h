/*
 * Real threads, real contention: each worker's thread executes its whole stream, held back only by
 * the waits that the plan put into it.
 */
#ifndef REPLAYER_PARALLEL_H
#define REPLAYER_PARALLEL_H

/* Makes setting.spawn ready. */
void parallel_init(void);

/* Executes all streams; returns when every one is done and every ended thread is gone. */
void parallel_run(void);

#endif
