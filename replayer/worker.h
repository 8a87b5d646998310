/* One recorded thread of one copy in the runner: where it stands in its stream, what it has done.
 */
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
	struct slot *slots; /* its copy's */
	uint64_t digest;
	uint64_t identity; /* of the next object born here */
	uint64_t copy;     /* number of its copy, where plan_identity() leaves room: for --check */
	struct crew *crew;
	uintptr_t thread_pointer;
	uint32_t number;
	bool ended;             /* has executed its exit */
	_Atomic uint32_t state; /* a schedule's own futex word */
	uint64_t entries;       /* of its stream in this part of the plan */
	const float *gap;       /* paced: ns from the call before to the next one */
	double time_ns;         /* paced: of the latest call in the recording */
	pthread_t thread;
	struct worker *next_ended;
	struct latency_set *latency; /* where its latencies are counted; NULL: nowhere yet */
};

#endif
