/*
 * Where threads of a parallel replay wait for each other: for an object to be born, and for the
 * skew window to move on. Waiting spins a little, then sleeps; every wait is for something earlier
 * in the recorded order, so there is always a thread that can go on.
 */
#ifndef REPLAYER_GATE_H
#define REPLAYER_GATE_H

#include "plan.h"
#include "slot.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

/* The epochs of one copy of the trace. */
struct gate {
	struct epoch *epochs;
	uint32_t n_epochs;
	uint32_t window;
	alignas(64) _Atomic uint32_t done; /* every epoch below is complete */
};

/*
 * Before any other call, and again for each part of the plan, while nobody waits. False when memory
 * lacks.
 */
bool gate_init(struct gate *gate, const struct plan *plan, uint32_t copies);

/* Waits until the slot holds that object. */
void gate_wait(const struct slot *slot, uint64_t identity);

/* An object that may be waited for has been stored in the slot. */
void gate_announce(const struct slot *slot);

/* Leaves one epoch and enters a later one, waiting for the window; either may be PLAN_NONE. */
void gate_pass(struct gate *gate, uint32_t leave, uint32_t enter);

/* Adds to the live bytes of all copies; peak: how far above the start they stood on the way. */
void gate_fold(int64_t live_bytes, uint64_t peak_bytes);

/* The most live bytes so far. */
uint64_t gate_peak_bytes(void);

#endif
