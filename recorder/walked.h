/* Samples of a site's stack: each is counted, and written when it was not met there before. */
#ifndef RECORDER_WALKED_H
#define RECORDER_WALKED_H

#include "sites.h"
#include "unwinder.h"

#define WALKED_DEPTH_MAX 512 /* frames */

/* A stack as it was walked. */
struct walked {
	uint64_t addrs[WALKED_DEPTH_MAX]; /* return addresses, innermost first */
	size_t depth;
};

/* site: in sites, number: in the trace. Returns 0 or a negative errno. */
int walked_keep(const struct walked *walked, struct sites *sites, uint32_t site, uint32_t number,
		const struct unwinder_space *space, struct trace_writer *writer);

#endif
