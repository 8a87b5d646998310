/* Starts a runner process for one run and waits for what comes of it. */
#ifndef REPLAYER_LAUNCH_H
#define REPLAYER_LAUNCH_H

#include "allocators.h"
#include "run.h"

#include <stddef.h>

struct launcher {
	int image_fd; /* the runner's program */
	int plan_fd;
	bool cxx;                   /* the plan has C++ calls */
	const char *hakmem_options; /* NULL: those of the environment */
	char error[1024];
};

/* Makes the runner's program ready; turns address randomisation off for it. 0 or -errno. */
int launch_init(struct launcher *launcher);
void launch_fini(struct launcher *launcher);

/*
 * Runs the order on the allocator in a fresh process. *outcome is filled in any case; a run that
 * came to no end is a negative errno, with the reason in `error`.
 */
int launch_run(struct launcher *launcher, const struct allocator *allocator,
	       const struct run_order *order, struct run_outcome *outcome);

#endif
