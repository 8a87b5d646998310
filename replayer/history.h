/* Results that hakreplay --json has kept, read back: samples of every metric by what was run. */
#ifndef REPLAYER_HISTORY_H
#define REPLAYER_HISTORY_H

#include "metric.h"
#include "sample.h"

#include <stdbool.h>
#include <stddef.h>

/* All repeats of one allocator on one trace in one schedule. */
struct history_group {
	char *trace;
	char *digest; /* of the trace */
	char *schedule;
	char *allocator; /* with the part that an ablation left out of it */
	char *settings;  /* options and machine of its first repeat, as JSON */
	bool mixed;      /* other repeats have other ones */
	struct sample samples[METRIC_END];
};

struct history {
	struct history_group *groups; /* in the order in which they first appear */
	size_t count;
	char error[512];
};

/* Returns 0, or a negative errno with `error` set: file, line, reason. history_fini() after all. */
int history_read(struct history *history, const char *path);
void history_fini(struct history *history);

/* The group of the same trace, schedule and allocator; NULL when there is none. */
const struct history_group *history_find(const struct history *history,
					 const struct history_group *like);

#endif
