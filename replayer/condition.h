/* A condition on ratios, as of --fail-if: "time>1.05", "rss>1.1 and p99>=1.2 or cpu>2". */
#ifndef REPLAYER_CONDITION_H
#define REPLAYER_CONDITION_H

#include "metric.h"

#include <stdbool.h>
#include <stddef.h>

#define CONDITION_TERMS 16

struct condition {
	struct condition_term {
		enum metric metric;
		bool above, equal; /* > or <, and with = or without */
		double bound;
		bool begins; /* comes first, or after "or": "and" binds closer */
	} terms[CONDITION_TERMS];
	size_t count;
	char error[256];
};

/* Returns 0, or -EINVAL with `error` set. */
int condition_parse(struct condition *condition, const char *text);

/*
 * Whether it holds. A term does when the metric's ratio is on that side of its bound and the
 * difference is there: distinct.
 */
bool condition_holds(const struct condition *condition, const double ratios[METRIC_END],
		     const bool distinct[METRIC_END]);

#endif
