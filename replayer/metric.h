/* What results can be compared by: X(ID, the name in --fail-if and tables, unit). */
#ifndef REPLAYER_METRIC_H
#define REPLAYER_METRIC_H

/* clang-format off */
#define METRICS(X)                                                                                  \
	X(TIME,   "time",   METRIC_NS)    /* wall time for each call */                             \
	X(CPU,    "cpu",    METRIC_NS)    /* processor time for each call */                        \
	X(RSS,    "rss",    METRIC_BYTES) /* peak of resident memory */                             \
	X(FAULTS, "faults", METRIC_COUNT) /* minor page faults */                                   \
	X(P50,    "p50",    METRIC_NS)    /* latency of all calls, as the next ones */              \
	X(P90,    "p90",    METRIC_NS)                                                              \
	X(P99,    "p99",    METRIC_NS)                                                              \
	X(P999,   "p99.9",  METRIC_NS)                                                              \
	X(P9999,  "p99.99", METRIC_NS)                                                              \
	X(MAX,    "max",    METRIC_NS)
/* clang-format on */

enum metric_unit { METRIC_NS, METRIC_BYTES, METRIC_COUNT };

enum metric {
#define METRIC_ID(id, name, unit) METRIC_##id,
	METRICS(METRIC_ID)
#undef METRIC_ID
		METRIC_END,
};

extern const char *const metric_names[METRIC_END];
extern const enum metric_unit metric_units[METRIC_END];

#endif
