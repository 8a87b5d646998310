#include "history.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line of a file. */
struct line {
	struct history *history;
	const char *path;
	size_t number;
	struct json_object *object;
};

static int complain(const struct line *line, const char *what, const char *more)
{
	snprintf(line->history->error, sizeof(line->history->error), "%s:%zu: %s%s", line->path,
		 line->number, what, more);
	return -EINVAL;
}

/* A text; NULL when the line has no such field, with a complaint about the first one it lacks. */
static const char *text_of(const struct line *line, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(line->object, key, &value) ||
	    !json_object_is_type(value, json_type_string)) {
		if (!*line->history->error)
			complain(line, "lacks the text ", key);
		return NULL;
	}
	return json_object_get_string(value);
}

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static bool is_number(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) ||
	       json_object_is_type(value, json_type_double);
}

/* The latency's row about all calls. */
static struct json_object *latency_of(const struct line *line)
{
	struct json_object *rows = member(member(line->object, "latency"), "calls");

	return json_object_is_type(rows, json_type_array) ? json_object_array_get_idx(rows, 0)
							  : NULL;
}

/* A field's value over another one's (NULL: as it is), added when both were measured. */
static int value_add(struct sample *sample, struct json_object *object, const char *key,
		     const char *over)
{
	struct json_object *value = member(object, key);
	struct json_object *divisor = over ? member(object, over) : NULL;
	double units = is_number(divisor) ? json_object_get_double(divisor) : 1;

	if (!is_number(value) || units <= 0)
		return 0;
	return sample_add(sample, json_object_get_double(value) / units);
}

static int values_add(struct history_group *group, const struct line *line)
{
	struct json_object *latency = latency_of(line);
	struct sample *samples = group->samples;
	int error = value_add(&samples[METRIC_TIME], line->object, "ns_per_op", NULL);

	if (!error)
		error = value_add(&samples[METRIC_CPU], line->object, "cpu_ns", "ops");
	if (!error)
		error = value_add(&samples[METRIC_RSS], line->object, "peak_rss_bytes", NULL);
	if (!error)
		error = value_add(&samples[METRIC_FAULTS], line->object, "minor_faults", NULL);
	for (unsigned m = METRIC_P50; !error && m < METRIC_END; m++) {
		char key[16];

		snprintf(key, sizeof(key), "%s_ns", metric_names[m]);
		error = value_add(&samples[m], latency, key, NULL);
	}
	return error;
}

static char *settings_of(const struct line *line)
{
	struct json_object *options = member(line->object, "options");
	struct json_object *machine = member(line->object, "machine");
	char *text;

	return asprintf(&text, "%s %s", json_object_to_json_string_ext(options, 0),
			json_object_to_json_string_ext(machine, 0)) < 0
		       ? NULL
		       : text;
}

static int group_add(struct history *history, const struct line *line,
		     const struct history_group *like, struct history_group **group)
{
	size_t bytes = (history->count + 1) * sizeof(*history->groups);
	struct history_group *groups = realloc(history->groups, bytes);

	if (!groups)
		return -ENOMEM;
	history->groups = groups;
	*group = &groups[history->count++];
	**group = (struct history_group){
		.trace = strdup(like->trace),
		.digest = strdup(like->digest),
		.schedule = strdup(like->schedule),
		.allocator = strdup(like->allocator),
		.settings = settings_of(line),
	};
	return (*group)->trace && (*group)->digest && (*group)->schedule && (*group)->allocator &&
			       (*group)->settings
		       ? 0
		       : -ENOMEM;
}

/* Whether one more repeat was made as the first one was. */
static int settings_check(struct history_group *group, const struct line *line)
{
	char *settings = settings_of(line);

	if (!settings)
		return -ENOMEM;
	group->mixed |= strcmp(settings, group->settings) != 0;
	free(settings);
	return 0;
}

static int line_keep(struct history *history, const struct line *line)
{
	struct json_object *without = member(member(line->object, "options"), "ablate");
	struct history_group like = {
		.trace = (char *)text_of(line, "trace"),
		.digest = (char *)text_of(line, "trace_digest"),
		.schedule = (char *)text_of(line, "schedule"),
	};
	const char *allocator = text_of(line, "allocator");
	struct history_group *group;
	char name[256];
	int error = 0;

	if (!like.trace || !like.digest || !like.schedule || !allocator)
		return -EINVAL;
	snprintf(name, sizeof(name), "%s%s%s", allocator, without ? " without " : "",
		 without ? json_object_get_string(without) : "");
	like.allocator = name;
	group = (struct history_group *)history_find(history, &like);
	if (group)
		error = settings_check(group, line);
	else
		error = group_add(history, line, &like, &group);
	return error ? error : values_add(group, line);
}

static int line_read(struct history *history, struct line *line, const char *text)
{
	enum json_tokener_error reason;
	int error;

	line->object = json_tokener_parse_verbose(text, &reason);
	if (!line->object)
		return complain(line, "not JSON: ", json_tokener_error_desc(reason));
	error = json_object_is_type(line->object, json_type_object)
			? line_keep(history, line)
			: complain(line, "not a JSON object", "");
	json_object_put(line->object);
	return error;
}

static int unreadable(struct history *history, const char *path)
{
	int error = -errno;

	snprintf(history->error, sizeof(history->error), "%s: %s", path, strerror(-error));
	return error;
}

int history_read(struct history *history, const char *path)
{
	struct line line = {.history = history, .path = path};
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	int error = 0;

	*history = (struct history){0};
	if (!file)
		return unreadable(history, path);
	while (!error && getline(&text, &size, file) >= 0) {
		line.number++;
		if (text[strspn(text, " \t\r\n")])
			error = line_read(history, &line, text);
	}
	if (!error && ferror(file))
		error = unreadable(history, path);
	if (error == -ENOMEM)
		complain(&line, strerror(ENOMEM), "");
	if (!error && !history->count) {
		error = -ENODATA;
		snprintf(history->error, sizeof(history->error), "%s: holds no result", path);
	}
	free(text);
	fclose(file);
	return error;
}

void history_fini(struct history *history)
{
	for (size_t i = 0; i < history->count; i++) {
		struct history_group *group = &history->groups[i];

		free(group->trace);
		free(group->digest);
		free(group->schedule);
		free(group->allocator);
		free(group->settings);
		for (unsigned m = 0; m < METRIC_END; m++)
			sample_fini(&group->samples[m]);
	}
	free(history->groups);
}

const struct history_group *history_find(const struct history *history,
					 const struct history_group *like)
{
	for (size_t i = 0; i < history->count; i++) {
		const struct history_group *group = &history->groups[i];

		if (!strcmp(group->digest, like->digest) &&
		    !strcmp(group->schedule, like->schedule) &&
		    !strcmp(group->allocator, like->allocator))
			return group;
	}
	return NULL;
}
