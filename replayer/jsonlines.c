#include "jsonlines.h"

#include "verbs.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <string.h>

static struct json_object *text(const char *value)
{
	return *value ? json_object_new_string(value) : NULL;
}

static struct json_object *count(uint64_t value)
{
	return json_object_new_uint64(value);
}

/* Nanoseconds, to a thousandth. */
static struct json_object *rate(double value)
{
	char digits[64];

	if (!isfinite(value))
		return NULL;
	snprintf(digits, sizeof(digits), "%.3f", value);
	return json_object_new_double_s(value, digits);
}

static struct json_object *digest(uint64_t value)
{
	char digits[17];

	snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)value);
	return json_object_new_string(digits);
}

static void add(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add(object, key, value);
}

static struct json_object *options(const struct contest_run *run)
{
	const struct request *request = run->contest->request;
	bool lockstep = request->schedule == RUN_LOCKSTEP;
	bool paced = request->schedule == RUN_PACED;
	const char *hakmem = request_hakmem(request);
	struct json_object *object = json_object_new_object();

	add(object, "touch", json_object_new_string(request_touch_name(request->touch)));
	add(object, "check", json_object_new_boolean(request->check));
	add(object, "skew", lockstep ? NULL : count(request->skew));
	add(object, "speed", paced ? json_object_new_double(request->speed) : NULL);
	add(object, "copies", count(request->copies));
	add(object, "latency", json_object_new_boolean(request->latency));
	add(object, "baton", json_object_new_boolean(run->outcome->baton));
	add(object, "partial", json_object_new_boolean(*run->contest->survey->cut));
	add(object, "hakmem",
	    !run->allocator->hakmem    ? NULL
	    : *run->allocator->options ? text(run->allocator->options)
	    : hakmem                   ? json_object_new_string(hakmem)
				       : NULL);
	add(object, "ablate", text(run->allocator->without));
	return object;
}

static struct json_object *machine(const struct machine *m)
{
	struct json_object *object = json_object_new_object();

	add(object, "cpu", text(m->cpu));
	add(object, "processors", count(m->processors));
	add(object, "memory_bytes", count(m->memory_bytes));
	add(object, "kernel", text(m->kernel));
	add(object, "libc", text(m->libc));
	return object;
}

static struct json_object *counters(const struct run_outcome *outcome)
{
	struct json_object *object;

	if (!outcome->n_counters)
		return NULL;
	object = json_object_new_object();
	for (unsigned i = 0; i < outcome->n_counters; i++)
		add(object, outcome->counters[i].name, count(outcome->counters[i].value));
	return object;
}

static struct json_object *latency_row(const struct run_latency *row)
{
	static const char *const places[] = {"local", "remote"};
	static const char *const quantiles[RUN_QUANTILES] = {"p50_ns", "p90_ns", "p99_ns",
							     "p99.9_ns", "p99.99_ns"};
	struct json_object *object = json_object_new_object();
	bool rest = row->class_bytes == UINT64_MAX;

	add(object, "kind", text(row->kind < 0 ? "all" : verbs_names[row->kind]));
	add(object, "to_bytes", row->class_bytes && !rest ? count(row->class_bytes) : NULL);
	add(object, "sizes", text(!row->class_bytes ? "all" : rest ? "larger" : "to_bytes"));
	add(object, "place", row->place < 0 ? NULL : text(places[row->place]));
	add(object, "count", count(row->count));
	for (unsigned i = 0; i < RUN_QUANTILES; i++)
		add(object, quantiles[i], rate(row->quantile_ns[i]));
	add(object, "max_ns", rate(row->max_ns));
	return object;
}

static struct json_object *latency(const struct run_outcome *outcome)
{
	struct json_object *object, *calls;

	if (!outcome->latencies)
		return NULL;
	object = json_object_new_object();
	calls = json_object_new_array();
	for (unsigned i = 0; i < outcome->latencies; i++)
		json_object_array_add(calls, latency_row(&outcome->latency[i]));
	add(object, "timer_ns", rate(outcome->timer_ns));
	add(object, "calls", calls);
	return object;
}

/* One column of the series; known: else it is null. */
static void add_column(struct json_object *object, const char *key, const struct run_series *series,
		       int64_t (*value)(const struct run_sample *sample), bool known)
{
	struct json_object *column = known ? json_object_new_array() : NULL;

	for (unsigned i = 0; known && i < series->count; i++)
		json_object_array_add(column, json_object_new_int64(value(&series->samples[i])));
	add(object, key, column);
}

static int64_t ops_of(const struct run_sample *s)
{
	return (int64_t)s->ops;
}

static int64_t rss_of(const struct run_sample *s)
{
	return (int64_t)s->rss_bytes;
}

static int64_t live_of(const struct run_sample *s)
{
	return (int64_t)s->live_bytes;
}

static int64_t overhead_of(const struct run_sample *s)
{
	return (int64_t)(s->rss_bytes - s->live_bytes);
}

static int64_t rounding_of(const struct run_sample *s)
{
	return (int64_t)s->rounding_bytes;
}

static int64_t free_of(const struct run_sample *s)
{
	return (int64_t)s->free_bytes;
}

static int64_t rest_of(const struct run_sample *s)
{
	return (int64_t)(s->rss_bytes - s->live_bytes - s->rounding_bytes - s->free_bytes);
}

static struct json_object *rss_series(const struct run_series *series)
{
	struct json_object *object;

	if (!series->count)
		return NULL;
	object = json_object_new_object();
	add_column(object, "ops", series, ops_of, true);
	add_column(object, "rss_bytes", series, rss_of, true);
	add_column(object, "live_bytes", series, live_of, true);
	add_column(object, "overhead_bytes", series, overhead_of, true);
	add_column(object, "rounding_bytes", series, rounding_of, series->split);
	add_column(object, "free_bytes", series, free_of, series->split);
	add_column(object, "rest_bytes", series, rest_of, series->split);
	return object;
}

static struct json_object *late(const struct run_late *late)
{
	struct json_object *object = json_object_new_object();

	add(object, "mean_ns", count(late->mean_ns));
	add(object, "p50_ns", count(late->p50_ns));
	add(object, "p99_ns", count(late->p99_ns));
	add(object, "max_ns", count(late->max_ns));
	return object;
}

/* A plan in parts: how many, how long all clocks stood still for them. */
static struct json_object *streamed(const struct contest_run *run)
{
	struct json_object *object = json_object_new_object();

	add(object, "parts", count(run->outcome->parts));
	add(object, "stall_ns", count(run->outcome->stall_ns));
	return object;
}

static void add_measures(struct json_object *object, const struct contest_run *run)
{
	const struct run_outcome *outcome = run->outcome;
	const struct contest *contest = run->contest;
	bool lockstep = contest->request->schedule == RUN_LOCKSTEP;

	add(object, "ops", count(contest_ops(contest)));
	add(object, "threads", count(contest->survey->running * contest->request->copies));
	add(object, "wall_ns", count(outcome->wall_ns));
	add(object, "cpu_ns", count(outcome->cpu_ns));
	add(object, "ns_per_op", rate(run->ns_per_op));
	add(object, "loop_ns_per_op", rate(run->loop_ns_per_op));
	add(object, "again_ns_per_op", rate(run->again_ns_per_op));
	add(object, "peak_rss_bytes", count(outcome->peak_rss_bytes));
	add(object, "recorded_peak_live_bytes", count(contest->plan->peak_live_bytes));
	add(object, "replayed_peak_live_bytes", count(outcome->peak_live_bytes));
	add(object, "minor_faults", count(outcome->minor_faults));
	add(object, "major_faults", count(outcome->major_faults));
	add(object, "voluntary_switches", count(outcome->voluntary_switches));
	add(object, "involuntary_switches", count(outcome->involuntary_switches));
	add(object, "syscalls", NULL);
	add(object, "digest", digest(outcome->digest));
	add(object, "order_digest", lockstep ? digest(outcome->order_digest) : NULL);
	add(object, "check_errors",
	    contest->request->check && !run->allocator->null ? count(outcome->check_errors) : NULL);
	add(object, "plan_bytes", count(contest->plan->bytes));
	add(object, "streamed", contest->plan->parts > 1 ? streamed(run) : NULL);
	add(object, "late", contest->request->schedule == RUN_PACED ? late(&outcome->late) : NULL);
	add(object, "latency", latency(outcome));
	add(object, "rss_series", rss_series(run->series));
}

int jsonlines_open(struct jsonlines *lines, const char *path)
{
	*lines = (struct jsonlines){.path = path};
	if (!path)
		return 0;
	machine_read(&lines->machine);
	lines->file = fopen(path, "ae");
	return lines->file ? 0 : -errno;
}

int jsonlines_close(struct jsonlines *lines)
{
	return lines->file && fclose(lines->file) ? -errno : 0;
}

int jsonlines_keep(const struct contest_run *run, void *context)
{
	const struct request *request = run->contest->request;
	struct jsonlines *lines = context;
	struct json_object *object;
	int written;

	if (!lines->file)
		return 0;
	object = json_object_new_object();
	add(object, "trace", text(request->trace));
	add(object, "trace_digest", digest(run->contest->survey->digest));
	add(object, "allocator", text(run->allocator->name));
	add(object, "allocator_path", text(run->outcome->path));
	add(object, "allocator_build", text(run->outcome->build_id));
	add(object, "schedule", text(request_schedule_name(request->schedule)));
	add(object, "repeat", count(run->repeat));
	add(object, "options", options(run));
	add_measures(object, run);
	add(object, "allocator_stats", counters(run->outcome));
	add(object, "machine", machine(&lines->machine));
	add(object, "version", text(HAK_VERSION));
	written = fprintf(lines->file, "%s\n",
			  json_object_to_json_string_ext(
				  object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return written < 0 || fflush(lines->file) ? -errno : 0;
}
