#include "jsonlines.h"

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
	struct json_object *object = json_object_new_object();

	add(object, "touch", json_object_new_string(request_touch_name(request->touch)));
	add(object, "check", json_object_new_boolean(request->check));
	add(object, "skew", lockstep ? NULL : count(request->skew));
	add(object, "speed", paced ? json_object_new_double(request->speed) : NULL);
	add(object, "copies", count(request->copies));
	add(object, "baton", json_object_new_boolean(run->outcome->baton));
	add(object, "partial", json_object_new_boolean(*run->contest->survey->cut));
	add(object, "hakmem",
	    !run->allocator->hakmem    ? NULL
	    : *run->allocator->options ? text(run->allocator->options)
	    : request->hakmem          ? json_object_new_string(request->hakmem)
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

static struct json_object *stats(const struct run_outcome *outcome)
{
	struct json_object *object;

	if (!outcome->stats_known)
		return NULL;
	object = json_object_new_object();
#define FIELD(field, what) add(object, #field, count(outcome->stats.field));
	HAK_STATS(FIELD)
#undef FIELD
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
	add(object, "latency", NULL);
	add(object, "rss_series", NULL);
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
	add(object, "allocator_stats", stats(run->outcome));
	add(object, "machine", machine(&lines->machine));
	add(object, "version", text(HAK_VERSION));
	written = fprintf(lines->file, "%s\n",
			  json_object_to_json_string_ext(
				  object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	return written < 0 || fflush(lines->file) ? -errno : 0;
}
