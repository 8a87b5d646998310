/* One recorded thread in the runner: where it stands in its stream and what it has done. */
#ifndef REPLAYER_WORKER_H
#define REPLAYER_WORKER_H

#include "plan.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct worker {
	alignas(64) const struct plan_op *next;
	uint64_t digest;
	uint64_t identity; /* of the next object born here */
	uintptr_t thread_pointer;
	uint32_t number;
	bool ended;             /* has executed its exit */
	_Atomic uint32_t state; /* a schedule's own futex word */
	uint64_t entries;
	pthread_t thread;
	struct worker *next_ended;
};

#endif
