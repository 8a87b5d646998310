/* Starts a runner process for one run and waits for what comes of it. */
#ifndef REPLAYER_DISPATCH_H
#define REPLAYER_DISPATCH_H

#include "allocators.h"
#include "bar.h"
#include "planner.h"
#include "run.h"

#include <stddef.h>

struct dispatcher {
	int image_fd; /* the runner's program */
	struct planner_result *plan;
	bool cxx;                   /* the plan has C++ calls */
	const char *hakmem_options; /* NULL: those of the environment */
	struct bar *bar;            /* of the run */
	char error[1024];
};

/* Makes the runner's program ready; turns address randomisation off for it. 0 or -errno. */
int dispatch_init(struct dispatcher *dispatcher);
void dispatch_fini(struct dispatcher *dispatcher);

/*
 * Runs the order on the allocator in a fresh process. *outcome is filled in any case; a run that
 * came to no end is a negative errno, with the reason in `error`.
 */
int dispatch_run(struct dispatcher *dispatcher, const struct allocator *allocator,
		 const struct run_order *order, struct run_outcome *outcome);

#endif
