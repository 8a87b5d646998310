#include "table.h"

#include "cell.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void head_print(FILE *out, const struct contest *contest)
{
	const struct request *request = contest->request;
	const struct planner_result *plan = contest->plan;
	char a[CELL], b[CELL];

	if (request->copies > 1)
		fprintf(out, "%" PRIu64 " copies of ", request->copies);
	fprintf(out, "%s: %s calls, %u thread%s, %s alive at the peak\n", request->trace,
		cell_grouped(a, (double)plan->ops), contest->survey->running,
		contest->survey->running == 1 ? "" : "s",
		cell_bytes(b, (double)plan->peak_live_bytes));
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

/* The baseline is not told from itself, without a doubt. base: NULL for none. */
static struct trace_statistic against(const struct sample *sample, const struct sample *base)
{
	struct trace_statistic statistic = sample_compare(sample, base);

	statistic.distinct |= sample == base;
	return statistic;
}

static void row_print(FILE *out, const struct contest *contest, const struct contestant *c,
		      int width)
{
	const struct contestant *base = contest->baseline;
	struct trace_statistic time = against(&c->ns_per_op, base ? &base->ns_per_op : NULL);
	struct trace_statistic memory =
		against(&c->peak_rss_bytes, base ? &base->peak_rss_bytes : NULL);
	double loop = sample_median(&contest->loop_ns_per_op);
	double live = (double)c->peak_live_bytes;
	bool null = c->allocator->null;
	char cell[CELL];

	fprintf(out, "%-*s", width, allocator_label(c->allocator));
	if (!c->ns_per_op.count) {
		fprintf(out, c->allocator->unused ? "        -\n" : "  failed\n");
		return;
	}
	fprintf(out, " %8s", cell_number(cell, "%.1f", time.median));
	fprintf(out, " %16s", cell_interval(cell, "%.1f", time.low, time.high));
	fprintf(out, " %8s", cell_number(cell, "%.1f", time.median - loop));
	fprintf(out, " %9s", cell_ratio(cell, &time));
	fprintf(out, " %14s", cell_interval(cell, "%.2f", time.ratio_low, time.ratio_high));
	fprintf(out, " %11s", null ? "-" : cell_bytes(cell, memory.median));
	fprintf(out, " %9s", null ? "-" : cell_ratio(cell, &memory));
	fprintf(out, " %9s", cell_number(cell, "%.2f", live && !null ? memory.median / live : NAN));
	fprintf(out, " %10s", cell_grouped(cell, sample_median(&c->minor_faults)));
	if (contest->request->check && !null)
		fprintf(out, " %6s", cell_grouped(cell, (double)c->check_errors));
	fprintf(out, "%s\n", c->failed ? "  failed" : "");
}

static void titles_print(FILE *out, const struct contest *contest, int width)
{
	char versus[CELL] = "-";

	if (contest->baseline)
		snprintf(versus, sizeof(versus), "vs %.30s", contest->baseline->allocator->name);
	fprintf(out, "%-*s %8s %16s %8s %9s %14s %11s %9s %9s %10s%s\n", width, "allocator",
		"ns/op", "95 % interval", "net", versus, "95 % interval", "peak RSS", versus,
		"overhead", "faults", contest->request->check ? " errors" : "");
}

/* What the machine makes of no difference at all. */
static void noise_print(FILE *out, const struct contest *contest)
{
	struct trace_statistic noise;
	char ratio[CELL], interval[CELL];

	if (!contest->again || !contest->again->ns_per_op.count)
		return;
	noise = sample_compare(&contest->again_ns_per_op, &contest->again->ns_per_op);
	fprintf(out, "A/A: %s against itself %s (%s)%s\n", contest->again->allocator->name,
		cell_number(ratio, "%.2fx", noise.ratio),
		cell_interval(interval, "%.2f", noise.ratio_low, noise.ratio_high),
		noise.distinct ? ": this machine is not quiet now, believe no difference of that "
				 "size"
			       : ": the noise of this machine now");
}

/* A share as "+12.3%", with "~" when no difference can be told. */
static void worth_print(FILE *out, const struct sample *without, const struct sample *with)
{
	struct trace_statistic s = sample_compare(without, with);
	char share[CELL], cell[CELL], interval[CELL];

	cell_number(share, "%+.1f%%", 100 * (s.ratio - 1));
	snprintf(cell, sizeof(cell), "%s%.32s", s.distinct ? "" : "~", share);
	cell_interval(interval, "%+.1f", 100 * (s.ratio_low - 1), 100 * (s.ratio_high - 1));
	fprintf(out, " %9s %18s", cell, interval);
}

/* --ablate: what is lost in time and memory without each part. */
static void worths_print(FILE *out, const struct contest *contest, int width)
{
	const struct contestant *whole = contest->baseline;

	if (!contest->request->ablate || !whole || !whole->ns_per_op.count)
		return;
	fprintf(out, "\n%-*s %9s %18s %9s %18s\n", width, "without", "time", "95 % interval",
		"memory", "95 % interval");
	for (size_t i = 0; i < contest->count; i++) {
		const struct contestant *c = &contest->contestants[i];

		if (!*c->allocator->without)
			continue;
		fprintf(out, "%-*s", width, c->allocator->without);
		if (c->ns_per_op.count) {
			worth_print(out, &c->ns_per_op, &whole->ns_per_op);
			worth_print(out, &c->peak_rss_bytes, &whole->peak_rss_bytes);
		} else {
			fprintf(out, " %9s %18s %9s", "-", "", "-");
		}
		fputc('\n', out);
	}
	fprintf(out,
		"-: this trace has no blocks of the sizes that the part serves, or it is off; +: "
		"what %s saves by it\n",
		whole->allocator->name);
}

/* --latency: medians of each repeat's percentiles, over all calls. */
static void latencies_print(FILE *out, const struct contest *contest, int width)
{
	static const char *const titles[] = {"p50", "p90", "p99", "p99.9", "p99.99", "max"};
	char cell[CELL];

	if (!contest->request->latency)
		return;
	fprintf(out, "\n%-*s", width, "ns, a call");
	for (size_t q = 0; q <= RUN_QUANTILES; q++)
		fprintf(out, " %11s", titles[q]);
	fputc('\n', out);
	for (size_t i = 0; i < contest->count; i++) {
		const struct contestant *c = &contest->contestants[i];

		if (!c->latency[0].count)
			continue;
		fprintf(out, "%-*s", width, allocator_label(c->allocator));
		for (size_t q = 0; q <= RUN_QUANTILES; q++)
			fprintf(out, " %11s",
				cell_number(cell, "%.1f", sample_median(&c->latency[q])));
		fputc('\n', out);
	}
	fprintf(out,
		"medians over the repeats; the clock's own cost is subtracted; by kind, size and "
		"place in the results (--json)\n");
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
				allocator_label(c->allocator), (double)c->late.mean_ns / 1e3,
				(double)c->late.p99_ns / 1e3, (double)c->late.max_ns / 1e3);
	}
}

/* For how long the clocks stood still while parts of the plan were made. */
static void stalls_print(FILE *out, const struct contest *contest)
{
	char cell[CELL];

	fprintf(out, "the plan (%s) was streamed in %" PRIu32 " parts; the clocks stood still for",
		cell_bytes(cell, (double)contest->plan->bytes), contest->plan->parts);
	for (size_t i = 0; i < contest->count; i++)
		fprintf(out, "%s %.2f s (%s)", i ? "," : "",
			(double)contest->contestants[i].stall_ns / 1e9,
			contest->contestants[i].allocator->name);
	fprintf(out, "\n");
}

static void foot_print(FILE *out, const struct contest *contest)
{
	const struct contestant *c = contest->contestants;
	char cell[CELL];

	fprintf(out,
		"\nns/op: median wall time per call; intervals: bootstrap, of the median and of "
		"the "
		"ratio; net: without the replay's own %s ns\n",
		cell_number(cell, "%.1f", sample_median(&contest->loop_ns_per_op)));
	fprintf(out, "~: no difference can be told (the interval holds 1, or the Mann-Whitney test "
		     "gives p >= 0.05)\n");
	noise_print(out, contest);
	if (contest->request->repeat < SAMPLE_CLAIM)
		fprintf(out, "fewer than %d repeats: too few for a claim\n", SAMPLE_CLAIM);
	fprintf(out, "peak RSS: anonymous memory less the replay's own; overhead: peak RSS / peak "
		     "live bytes\n");
	if (contest->request->schedule != RUN_LOCKSTEP)
		fprintf(out, "replayed peaks of live bytes are within %.1f %% of %s\n",
			100 * peak_error(contest),
			contest->request->copies > 1 ? "the copies' recorded ones together"
						     : "the recorded one");
	if (contest->request->schedule == RUN_PACED)
		late_print(out, contest);
	if (contest->plan->parts > 1)
		stalls_print(out, contest);
	for (size_t i = 0; i < contest->count; i++)
		for (const char *line = c[i].notes; *line; line += strcspn(line, "\n") + 1)
			fprintf(out, "%s: %.*s\n", allocator_label(c[i].allocator),
				(int)strcspn(line, "\n"), line);
	for (size_t i = 0; i < contest->count; i++)
		if (c[i].surprises && !c[i].allocator->null)
			fprintf(out, "%s: %" PRIu64 " calls succeeded that failed when recorded\n",
				allocator_label(c[i].allocator), c[i].surprises);
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
		int length = (int)strlen(allocator_label(contest->contestants[i].allocator));

		width = length > width ? length : width;
	}
	head_print(out, contest);
	titles_print(out, contest, width);
	for (size_t i = 0; i < contest->count; i++)
		row_print(out, contest, &contest->contestants[i], width);
	latencies_print(out, contest, width);
	worths_print(out, contest, width);
	foot_print(out, contest);
}
