#include "verdict.h"

#include "cell.h"
#include "condition.h"
#include "history.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FAIL_IF = 256 };

struct verdict {
	const char *paths[2];
	const char *fail_if; /* NULL: nothing fails */
	struct condition condition;
	struct history before, after;
	bool failed;  /* something could not be compared */
	bool few;     /* some samples are too small for a claim */
	size_t held;  /* groups for which the condition holds */
	size_t found; /* groups that are in both files */
};

static const struct argp_option rows[] = {
	{"fail-if", FAIL_IF, "EXPR", 0,
	 "Exit with 1 when this holds for any allocator, beyond noise: metric, > >= < or <=, ratio "
	 "of B to A, as in 'time>1.05 or rss>1.1 and p99>1.2'. Metrics: time cpu rss faults p50 "
	 "p90 p99 p99.9 p99.99 max",
	 0},
	{0},
};

static error_t parse(int key, char *word, struct argp_state *state)
{
	struct verdict *v = state->input;

	switch (key) {
	case FAIL_IF:
		v->fail_if = word;
		if (condition_parse(&v->condition, word))
			argp_error(state, "--fail-if: %s", v->condition.error);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 1)
			argp_error(state, "two files of results at a time");
		v->paths[state->arg_num] = word;
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "which two files of results?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Writes one group's rows of the table, and gathers what a condition is about. */
static void compare_metrics(struct verdict *v, const struct history_group *before,
			    const struct history_group *after, double ratios[METRIC_END],
			    bool distinct[METRIC_END])
{
	char a[CELL], b[CELL], ratio[CELL], interval[CELL], p[CELL];

	printf("%s: %s on %s, %zu repeats against %zu\n", after->trace, after->allocator,
	       after->schedule, after->samples[METRIC_TIME].count,
	       before->samples[METRIC_TIME].count);
	for (unsigned m = 0; m < METRIC_END; m++) {
		const struct sample *old = &before->samples[m], *new = &after->samples[m];
		struct trace_statistic s = sample_compare(new, old);

		ratios[m] = s.ratio;
		distinct[m] = s.distinct;
		if (!old->count || !new->count)
			continue;
		v->few |= old->count < SAMPLE_CLAIM || new->count < SAMPLE_CLAIM;
		printf("  %-7s %12s %12s %9s %15s %8s\n", metric_names[m],
		       cell_metric(a, (enum metric)m, sample_median(old)),
		       cell_metric(b, (enum metric)m, s.median), cell_ratio(ratio, &s),
		       cell_interval(interval, "%.3f", s.ratio_low, s.ratio_high),
		       cell_number(p, "%.4f", s.p));
	}
}

/* Every metric of the condition has to have been measured. */
static bool measured(struct verdict *v, const struct history_group *before,
		     const struct history_group *after)
{
	for (size_t i = 0; i < v->condition.count; i++) {
		enum metric m = v->condition.terms[i].metric;
		bool lacks = !before->samples[m].count;

		if (!lacks && after->samples[m].count)
			continue;
		fflush(stdout);
		fprintf(stderr, "hakreplay: %s: no %s of %s on %s was measured%s\n",
			v->paths[!lacks], metric_names[m], after->allocator, after->schedule,
			m >= METRIC_P50 ? " (--latency does)" : "");
		v->failed = true;
		return false;
	}
	return true;
}

static void compare_group(struct verdict *v, const struct history_group *before,
			  const struct history_group *after)
{
	double ratios[METRIC_END];
	bool distinct[METRIC_END];

	v->found++;
	compare_metrics(v, before, after, ratios, distinct);
	if (strcmp(before->settings, after->settings))
		printf("  options or machine differ:\n    A: %s\n    B: %s\n", before->settings,
		       after->settings);
	if (before->mixed || after->mixed)
		printf("  options or machine differ within %s%s%s\n", before->mixed ? "A" : "",
		       before->mixed && after->mixed ? " and " : "", after->mixed ? "B" : "");
	if (v->fail_if && measured(v, before, after) &&
	    condition_holds(&v->condition, ratios, distinct)) {
		v->held++;
		printf("  %s holds\n", v->fail_if);
	}
}

/* What only one of the files has. */
static void tell_lonely(const struct verdict *v, unsigned side)
{
	const struct history *mine = side ? &v->after : &v->before;
	const struct history *other = side ? &v->before : &v->after;

	for (size_t i = 0; i < mine->count; i++)
		if (!history_find(other, &mine->groups[i]))
			printf("%s on %s (%s) is only in %s\n", mine->groups[i].allocator,
			       mine->groups[i].schedule, mine->groups[i].trace, v->paths[side]);
}

static int compare(struct verdict *v)
{
	printf("A: %s\nB: %s\n\n  %-7s %12s %12s %9s %15s %8s\n", v->paths[0], v->paths[1],
	       "metric", "A", "B", "B/A", "95 % interval", "p");
	for (size_t i = 0; i < v->after.count; i++) {
		const struct history_group *after = &v->after.groups[i];
		const struct history_group *before = history_find(&v->before, after);

		if (before)
			compare_group(v, before, after);
	}
	tell_lonely(v, 0);
	tell_lonely(v, 1);
	printf("\n~: no difference can be told (the interval holds 1, or p >= 0.05)\n");
	if (v->few)
		printf("fewer than %d repeats: too few for a claim\n", SAMPLE_CLAIM);
	if (!v->found) {
		fflush(stdout);
		fprintf(stderr,
			"hakreplay: %s and %s have no trace, schedule and allocator in common\n",
			v->paths[0], v->paths[1]);
		return 1;
	}
	return v->failed || v->held;
}

int verdict_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = rows,
		.parser = parse,
		.args_doc = "A.jsonl B.jsonl",
		.doc = "Compares results that hakreplay --json has kept: B against A.",
	};
	struct verdict v = {0};
	char name[] = "hakreplay compare";
	int status = 1;

	argv[0] = name;
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &v);
	if (history_read(&v.before, v.paths[0]))
		fprintf(stderr, "hakreplay: %s\n", v.before.error);
	else if (history_read(&v.after, v.paths[1]))
		fprintf(stderr, "hakreplay: %s\n", v.after.error);
	else
		status = compare(&v);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "hakreplay: standard output: %s\n", strerror(errno));
		status = 1;
	}
	history_fini(&v.before);
	history_fini(&v.after);
	return status;
}
