#include "metric.h"

const char *const metric_names[METRIC_END] = {
#define METRIC_NAME(id, name, unit) name,
	METRICS(METRIC_NAME)
#undef METRIC_NAME
};

const enum metric_unit metric_units[METRIC_END] = {
#define METRIC_UNIT(id, name, unit) unit,
	METRICS(METRIC_UNIT)
#undef METRIC_UNIT
};
