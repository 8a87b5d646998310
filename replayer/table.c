#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define CELL 32

/* 1234567 as 1,234,567. */
static const char *grouped(char *cell, double value)
{
	char digits[CELL];
	int n = snprintf(digits, sizeof(digits), "%.0f", value);
	char *to = cell;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
	return cell;
}

static const char *bytes(char *cell, double value)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	unsigned unit = 0;

	while (value >= 1024 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(cell, CELL, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return cell;
}

/* A number, or "-" when there is none. */
static const char *figure(char *cell, const char *format, double value)
{
	if (isfinite(value))
		snprintf(cell, CELL, format, value);
	else
		strcpy(cell, "-");
	return cell;
}

/* "0.87x", "~0.98x" when no difference to glibc can be told, "-" without glibc. */
static const char *ratio(char *cell, const struct contest *contest, const struct contestant *c)
{
	const struct contestant *base = NULL;
	char digits[CELL];

	for (size_t i = 0; i < contest->count; i++)
		if (!strcmp(contest->contestants[i].allocator->name, "glibc"))
			base = &contest->contestants[i];
	figure(digits, "%.2fx",
	       base ? sample_median(&c->ns_per_op) / sample_median(&base->ns_per_op) : NAN);
	snprintf(cell, CELL, "%s%s",
		 base && base->ns_per_op.count && base != c &&
				 !sample_distinct(&c->ns_per_op, &base->ns_per_op)
			 ? "~"
			 : "",
		 digits);
	return cell;
}

static void head_print(FILE *out, const struct contest *contest)
{
	const struct request *request = contest->request;
	const struct planner_result *plan = contest->plan;
	char a[CELL], b[CELL];

	if (request->copies > 1)
		fprintf(out, "%" PRIu64 " copies of ", request->copies);
	fprintf(out, "%s: %s calls, %u threads, %s alive at the peak\n", request->trace,
		grouped(a, (double)plan->ops), contest->survey->running,
		bytes(b, (double)plan->peak_live_bytes));
	fprintf(out, "%s%s, touch %s%s, %" PRIu64 " repeat%s",
		request_schedule_name(request->schedule), contest->baton ? " by baton" : "",
		request_touch_name(request->touch), request->check ? ", check" : "",
		request->repeat, request->repeat == 1 ? "" : "s");
	if (request->schedule != RUN_LOCKSTEP)
		fprintf(out, ", skew %" PRIu64, request->skew);
	if (request->schedule == RUN_PACED)
		fprintf(out, ", speed %g", request->speed);
	fprintf(out, "; digest %016" PRIx64 "\n\n", plan->digest);
}

static void row_print(FILE *out, const struct contest *contest, const struct contestant *c,
		      int width)
{
	double ns = sample_median(&c->ns_per_op);
	double rss = sample_median(&c->peak_rss_bytes);
	double live = (double)c->peak_live_bytes;
	char cell[CELL];

	fprintf(out, "%-*s", width, c->allocator->name);
	if (!c->ns_per_op.count) {
		fprintf(out, "  failed\n");
		return;
	}
	fprintf(out, " %8s", figure(cell, "%.1f", ns));
	fprintf(out, " %7s", figure(cell, "%.1f%%", 100 * sample_spread(&c->ns_per_op)));
	fprintf(out, " %8s", figure(cell, "%.1f", ns - sample_median(&contest->loop_ns_per_op)));
	fprintf(out, " %9s", ratio(cell, contest, c));
	fprintf(out, " %11s", c->allocator->null ? "-" : bytes(cell, rss));
	fprintf(out, " %9s", figure(cell, "%.2f", live && !c->allocator->null ? rss / live : NAN));
	fprintf(out, " %10s", grouped(cell, sample_median(&c->minor_faults)));
	if (contest->request->check && !c->allocator->null)
		fprintf(out, " %6s", grouped(cell, (double)c->check_errors));
	fprintf(out, "%s\n", c->failed ? "  failed" : "");
}

/* How far the replayed peaks of live bytes are from the recorded one. */
static double peak_error(const struct contest *contest)
{
	double recorded = (double)contest->plan->peak_live_bytes * (double)contest->request->copies;
	double most = 0;

	for (size_t i = 0; recorded && i < contest->count; i++)
		if (contest->contestants[i].ns_per_op.count)
			most = fmax(most, fabs((double)contest->contestants[i].peak_live_bytes /
						       recorded -
					       1));
	return most;
}

/* How late calls began, in each allocator's latest repeat. */
static void late_print(FILE *out, const struct contest *contest)
{
	for (size_t i = 0; i < contest->count; i++) {
		const struct contestant *c = &contest->contestants[i];

		if (c->ns_per_op.count)
			fprintf(out,
				"%s: calls began %.1f us late on average, %.1f us at p99, "
				"%.1f us at most\n",
				c->allocator->name, (double)c->late.mean_ns / 1e3,
				(double)c->late.p99_ns / 1e3, (double)c->late.max_ns / 1e3);
	}
}

static void foot_print(FILE *out, const struct contest *contest)
{
	const struct contestant *c = contest->contestants;
	char cell[CELL];

	fprintf(out,
		"\nns/op: median wall time per call; +-: half the width of the middle half; net: "
		"without the replay's own %s ns\n",
		figure(cell, "%.1f", sample_median(&contest->loop_ns_per_op)));
	fprintf(out, "vs glibc: ratio of ns/op; ~: the middle halves overlap, or fewer than 4 "
		     "repeats\n");
	fprintf(out, "peak RSS: anonymous memory less the replay's own; overhead: peak RSS / peak "
		     "live bytes\n");
	if (contest->request->schedule != RUN_LOCKSTEP)
		fprintf(out, "replayed peaks of live bytes are within %.1f %% of %s\n",
			100 * peak_error(contest),
			contest->request->copies > 1 ? "the copies' recorded ones together"
						     : "the recorded one");
	if (contest->request->schedule == RUN_PACED)
		late_print(out, contest);
	for (size_t i = 0; i < contest->count; i++)
		for (const char *line = c[i].notes; *line; line += strcspn(line, "\n") + 1)
			fprintf(out, "%s: %.*s\n", c[i].allocator->name, (int)strcspn(line, "\n"),
				line);
	for (size_t i = 0; i < contest->count; i++)
		if (c[i].surprises && !c[i].allocator->null)
			fprintf(out, "%s: %" PRIu64 " calls succeeded that failed when recorded\n",
				c[i].allocator->name, c[i].surprises);
	if (contest->plan->foreign)
		fprintf(out, "%" PRIu64 " calls on blocks allocated elsewhere were left out\n",
			contest->plan->foreign);
	if (contest->survey->lost)
		fprintf(out, "the recorder lost %" PRIu64 " calls\n", contest->survey->lost);
}

void table_print(FILE *out, const struct contest *contest)
{
	int width = 9;

	for (size_t i = 0; i < contest->count; i++) {
		int length = (int)strlen(contest->contestants[i].allocator->name);

		width = length > width ? length : width;
	}
	head_print(out, contest);
	fprintf(out, "%-*s %8s %7s %8s %9s %11s %9s %10s%s\n", width, "allocator", "ns/op", "+-",
		"net", "vs glibc", "peak RSS", "overhead", "faults",
		contest->request->check ? " errors" : "");
	for (size_t i = 0; i < contest->count; i++)
		row_print(out, contest, &contest->contestants[i], width);
	foot_print(out, contest);
}
