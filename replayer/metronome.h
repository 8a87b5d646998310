/*
 * The paced schedule: holds every thread back until its next call is due, by the gaps that the plan
 * took from the recorded times, and notes how late calls begin. A call is due at its time in the
 * recording over the speed, whatever became of the calls before it: who is late catches up.
 */
#ifndef REPLAYER_METRONOME_H
#define REPLAYER_METRONOME_H

#include "run.h"
#include "worker.h"

/* speed: 2 replays in half the time. Before any other call. */
void metronome_init(double speed);

/* The clock of the run starts now. */
void metronome_start(void);

/* The clock of the run stood still so long. */
void metronome_shift(uint64_t ns);

/* engine_run(), in time. */
void metronome_run(struct worker *worker, uint64_t entries);

/* Sums up how late calls were. After the run. */
void metronome_stop(struct run_outcome *outcome);

#endif
