/* Numbers as people read them, each written into a cell of a table. */
#ifndef REPLAYER_CELL_H
#define REPLAYER_CELL_H

#include "metric.h"
#include "traces/statistic.h"

#define CELL 40 /* bytes of a cell */

/* 1234567 as "1,234,567"; 1.5 MiB; a number by a format; each "-" when it is not finite. */
const char *cell_grouped(char cell[CELL], double value);
const char *cell_bytes(char cell[CELL], double value);
const char *cell_number(char cell[CELL], const char *format, double value);

/* A metric's value with its unit. */
const char *cell_metric(char cell[CELL], enum metric metric, double value);

/* "1.02 .. 1.09" */
const char *cell_interval(char cell[CELL], const char *format, double low, double high);

/* "0.87x", and "~0.98x" when no difference can be told. */
const char *cell_ratio(char cell[CELL], const struct trace_statistic *statistic);

#endif
