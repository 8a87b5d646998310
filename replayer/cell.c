#include "cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *cell_grouped(char cell[CELL], double value)
{
	char digits[CELL / 2] = "-";
	char *to = cell;
	int n = 1;

	if (isfinite(value))
		n = snprintf(digits, sizeof(digits), "%.0f", value);
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0 && digits[i - 1] != '-')
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
	return cell;
}

const char *cell_bytes(char cell[CELL], double value)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;

	if (!isfinite(value))
		return strcpy(cell, "-");
	while (fabs(value) >= 1024 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(cell, CELL, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return cell;
}

const char *cell_number(char cell[CELL], const char *format, double value)
{
	if (isfinite(value))
		snprintf(cell, CELL, format, value);
	else
		strcpy(cell, "-");
	return cell;
}

const char *cell_metric(char cell[CELL], enum metric metric, double value)
{
	switch (metric_units[metric]) {
	case METRIC_NS:
		return cell_number(cell, "%.1f ns", value);
	case METRIC_BYTES:
		return cell_bytes(cell, value);
	default:
		return cell_grouped(cell, value);
	}
}

const char *cell_interval(char cell[CELL], const char *format, double low, double high)
{
	char from[CELL], to[CELL];

	if (!isfinite(low) || !isfinite(high))
		return strcpy(cell, "-");
	snprintf(cell, CELL, "%.17s .. %.17s", cell_number(from, format, low),
		 cell_number(to, format, high));
	return cell;
}

const char *cell_ratio(char cell[CELL], const struct trace_statistic *s)
{
	char digits[CELL];

	cell_number(digits, "%.2fx", s->ratio);
	snprintf(cell, CELL, "%s%.32s", isfinite(s->ratio) && !s->distinct ? "~" : "", digits);
	return cell;
}
