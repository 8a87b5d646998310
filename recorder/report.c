#include "report.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

void report_lines(FILE *out, const struct recording *recording)
{
	for (size_t i = 0; i < recording->count; i++) {
		const struct recording_trace *r = recording->traces + i;
		const struct ledger_counts *c = &r->counts;

		fprintf(out, "hakrec: %s: %" PRIu64 " events, %u threads, ", r->path, c->events,
			r->threads);
		if (c->events)
			fprintf(out, "%.2f bytes per event, ",
				(double)r->bytes / (double)c->events);
		fprintf(out, "%" PRIu64 " lost\n", c->lost);
	}
}

static void add(struct json_object *line, const char *key, uint64_t value)
{
	json_object_object_add(line, key, json_object_new_uint64(value));
}

void report_json(FILE *out, const struct recording *recording)
{
	for (size_t i = 0; i < recording->count; i++) {
		const struct recording_trace *r = recording->traces + i;
		struct json_object *line = json_object_new_object();

		json_object_object_add(line, "trace", json_object_new_string(r->path));
		add(line, "events", r->counts.events);
		add(line, "threads", r->threads);
		add(line, "file_bytes", r->bytes);
		json_object_object_add(line, "bytes_per_event",
				       r->counts.events
					       ? json_object_new_double((double)r->bytes /
									(double)r->counts.events)
					       : NULL);
		add(line, "lost_events", r->counts.lost);
		add(line, "late_events", r->counts.late);
		add(line, "repaired_events", r->counts.repaired);
		add(line, "foreign_frees", r->counts.foreign);
		if (r->counts.cut)
			json_object_object_add(line, "peak_live_bytes", NULL);
		else
			add(line, "peak_live_bytes", r->counts.peak_live_bytes);
		json_object_object_add(line, "complete", json_object_new_boolean(!r->message));
		fprintf(out, "%s\n",
			json_object_to_json_string_ext(
				line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(line);
	}
}

bool report_failure(FILE *out, const struct recording *recording)
{
	if (recording->message)
		fprintf(out, "hakrec: %s\n", recording->message);
	return recording->message != NULL;
}
