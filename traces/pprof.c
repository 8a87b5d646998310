/*
 * A heap profile in pprof's format (profile.proto, gzip): for each site the objects and bytes that
 * were allocated, and those still in use at the trace's end. Addresses are those of the calls: one
 * byte before the return addresses.
 */
#include "callchain.h"
#include "protobuf.h"
#include "usage.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>

enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_TIME_NANOS = 9,
	PROFILE_DURATION_NANOS = 10,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
	PROFILE_DEFAULT_SAMPLE_TYPE = 14,
};
enum { VALUE_TYPE = 1, VALUE_UNIT = 2 };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE = 2 };
enum {
	MAPPING_ID = 1,
	MAPPING_START = 2,
	MAPPING_LIMIT = 3,
	MAPPING_FILE = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_FILENAMES = 8,
	MAPPING_HAS_LINE_NUMBERS = 9,
	MAPPING_HAS_INLINE_FRAMES = 10,
};
enum { LOCATION_ID = 1, LOCATION_MAPPING = 2, LOCATION_ADDRESS = 3, LOCATION_LINE = 4 };
enum { LINE_FUNCTION = 1, LINE_LINE = 2 };
enum { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3, FUNCTION_FILE = 4 };

/* What is known of a module once all its locations are written. */
struct mapping {
	uint64_t limit;
	uint64_t file; /* string */
	bool resolved, lines;
};

struct profile {
	struct exporter_job *job;
	struct callchains chains;
	struct mapping *mappings;
	struct bytes message;
	struct bytes part, lines, line; /* scratch: a message in it, fields in that, one of them */
	struct idmap files;             /* by address of the name: its string */
	uint64_t n_strings;
	uint32_t n_functions;
};

static uint64_t add_string(struct profile *p, const char *text)
{
	protobuf_text(&p->message, PROFILE_STRING, text);
	return p->n_strings++;
}

static void add_value_type(struct profile *p, unsigned field, const char *type, const char *unit)
{
	protobuf_number(&p->part, VALUE_TYPE, add_string(p, type));
	protobuf_number(&p->part, VALUE_UNIT, add_string(p, unit));
	protobuf_message(&p->message, field, &p->part);
}

/* The string of a source file. libdw has each text once for a unit. */
static uint64_t file_string(struct profile *p, const char *file)
{
	uint64_t number = idmap_get(&p->files, (uintptr_t)file);

	if (number == IDMAP_NONE) {
		number = add_string(p, file);
		if (idmap_set(&p->files, (uintptr_t)file, number))
			p->message.failed = true;
	}
	return number;
}

static uint32_t add_function(struct profile *p, const struct symbol *symbol, const char *file)
{
	uint64_t number = file ? file_string(p, file) : 0;

	protobuf_number(&p->part, FUNCTION_ID, ++p->n_functions);
	protobuf_number(&p->part, FUNCTION_NAME, add_string(p, symbol->name));
	protobuf_number(&p->part, FUNCTION_SYSTEM_NAME, add_string(p, symbol->system_name));
	protobuf_number(&p->part, FUNCTION_FILE, number);
	protobuf_message(&p->message, PROFILE_FUNCTION, &p->part);
	return p->n_functions;
}

/* The lines of a location, the innermost first; one that is not known is a function of its own,
 * module+0x1a2b. Functions come before the message that is in the making. */
static void add_lines(struct profile *p, const struct trace_frame *frame)
{
	const struct symbol_line *lines;
	bool named;
	size_t n = callchains_lines(&p->chains, frame, &lines, &named);
	struct mapping *mapping = named ? &p->mappings[frame->module] : NULL;

	for (size_t i = 0; i < n; i++) {
		struct symbol *symbol = lines[i].symbol;
		const char *file = lines[i].file;

		if (!symbol->number)
			symbol->number = add_function(p, symbol, file);
		protobuf_number(&p->line, LINE_FUNCTION, symbol->number);
		protobuf_number(&p->line, LINE_LINE, lines[i].line);
		protobuf_message(&p->lines, LOCATION_LINE, &p->line);
		if (mapping)
			mapping->lines |= file != NULL;
	}
	if (mapping)
		mapping->resolved = true;
}

static void add_location(struct profile *p, const struct trace_frame *frame, uint64_t id)
{
	uint64_t addr = frame->offset - 1;

	add_lines(p, frame);
	protobuf_number(&p->part, LOCATION_ID, id);
	if (frame->module < p->chains.n_modules) {
		struct mapping *mapping = &p->mappings[frame->module];

		addr += p->chains.modules[frame->module].base_addr;
		if (addr >= mapping->limit)
			mapping->limit = addr + 1;
		protobuf_number(&p->part, LOCATION_MAPPING, frame->module + 1);
	}
	protobuf_number(&p->part, LOCATION_ADDRESS, addr);
	p->part.failed |= p->lines.failed;
	bytes_add(&p->part, p->lines.data, p->lines.size);
	p->lines.size = 0;
	protobuf_message(&p->message, PROFILE_LOCATION, &p->part);
}

/* The one location of all that comes from nowhere known; its number is behind the frames'. */
static uint64_t add_unknown(struct profile *p, uint64_t id)
{
	const struct symbol unknown = {CALLCHAIN_UNKNOWN, CALLCHAIN_UNKNOWN, 0};
	uint32_t function = add_function(p, &unknown, NULL);

	protobuf_number(&p->part, LOCATION_ID, id);
	protobuf_number(&p->line, LINE_FUNCTION, function);
	protobuf_message(&p->part, LOCATION_LINE, &p->line);
	protobuf_message(&p->message, PROFILE_LOCATION, &p->part);
	return id;
}

static int locate(struct profile *p, uint32_t site, uint64_t **ids, size_t *depth)
{
	const struct trace_frame *frames = NULL;

	*depth = callchains_frames(&p->chains, site, &frames);
	*ids = calloc(*depth + 1, sizeof(**ids));
	if (!*ids)
		return -ENOMEM;
	for (size_t i = 0; i < *depth; i++) {
		uint64_t known = p->chains.n_frames;
		int64_t number = callchains_number(&p->chains, &frames[i]);

		if (number < 0)
			return -ENOMEM;
		(*ids)[i] = (uint64_t)number + 1;
		if (p->chains.n_frames > known)
			add_location(p, &frames[i], (*ids)[i]);
	}
	if (!*depth)
		(*ids)[(*depth)++] = add_unknown(p, p->chains.n_frames + 1);
	return 0;
}

static int add_sample(struct profile *p, uint32_t site, const struct usage *usage)
{
	uint64_t values[] = {usage->alloc_objects, usage->alloc_bytes, usage->inuse_objects,
			     usage->inuse_bytes};
	uint64_t *ids;
	size_t depth;
	int error = locate(p, site, &ids, &depth);

	if (!error) {
		protobuf_numbers(&p->part, SAMPLE_LOCATION, ids, depth);
		protobuf_numbers(&p->part, SAMPLE_VALUE, values, 4);
		protobuf_message(&p->message, PROFILE_SAMPLE, &p->part);
	}
	free(ids);
	return error;
}

static int add_samples(struct profile *p, const struct usage *usage)
{
	size_t n = p->chains.n_sites;
	int error = 0;

	for (size_t i = 0; !error && i <= n; i++) /* the unknown site comes last */
		if (usage[i].alloc_objects || usage[i].inuse_objects)
			error = add_sample(p, i < n ? (uint32_t)i : TRACE_NO_SITE, &usage[i]);
	return error;
}

static int open_mappings(struct profile *p)
{
	p->mappings = calloc(p->chains.n_modules + 1, sizeof(*p->mappings));
	if (!p->mappings)
		return -ENOMEM;
	for (size_t i = 0; i < p->chains.n_modules; i++) {
		const struct trace_module *module = &p->chains.modules[i];

		p->mappings[i].file = add_string(p, module->path);
		p->mappings[i].limit = module->base_addr + module->size_bytes;
	}
	return 0;
}

static void add_mappings(struct profile *p)
{
	for (size_t i = 0; i < p->chains.n_modules; i++) {
		const struct trace_module *module = &p->chains.modules[i];

		protobuf_number(&p->part, MAPPING_ID, i + 1);
		protobuf_number(&p->part, MAPPING_START, module->base_addr);
		protobuf_number(&p->part, MAPPING_LIMIT, p->mappings[i].limit);
		protobuf_number(&p->part, MAPPING_FILE, p->mappings[i].file);
		protobuf_number(&p->part, MAPPING_BUILD_ID, add_string(p, module->build_id));
		protobuf_number(&p->part, MAPPING_HAS_FUNCTIONS, p->mappings[i].resolved);
		protobuf_number(&p->part, MAPPING_HAS_FILENAMES, p->mappings[i].lines);
		protobuf_number(&p->part, MAPPING_HAS_LINE_NUMBERS, p->mappings[i].lines);
		protobuf_number(&p->part, MAPPING_HAS_INLINE_FRAMES, p->mappings[i].lines);
		protobuf_message(&p->message, PROFILE_MAPPING, &p->part);
	}
}

static void add_facts(struct profile *p)
{
	const struct trace_totals *totals = trace_totals(p->job->trace);
	const char *start = trace_fact(p->job->trace, "start_unix_ns");
	const char *command = trace_fact(p->job->trace, "command");

	add_value_type(p, PROFILE_SAMPLE_TYPE, "alloc_objects", "count");
	add_value_type(p, PROFILE_SAMPLE_TYPE, "alloc_space", "bytes");
	add_value_type(p, PROFILE_SAMPLE_TYPE, "inuse_objects", "count");
	add_value_type(p, PROFILE_SAMPLE_TYPE, "inuse_space", "bytes");
	add_value_type(p, PROFILE_PERIOD_TYPE, "space", "bytes");
	protobuf_number(&p->message, PROFILE_PERIOD, 1); /* every byte: nothing is sampled */
	protobuf_number(&p->message, PROFILE_DEFAULT_SAMPLE_TYPE, add_string(p, "alloc_space"));
	if (start)
		protobuf_number(&p->message, PROFILE_TIME_NANOS, strtoull(start, NULL, 10));
	if (totals)
		protobuf_number(&p->message, PROFILE_DURATION_NANOS, totals->duration_ns);
	if (command)
		protobuf_number(&p->message, PROFILE_COMMENT, add_string(p, command));
}

/* Writes bytes to the job's stream, compressed by gzip. */
static int write_gzip(struct exporter_job *job, const struct bytes *bytes)
{
	struct archive *archive = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	int status = ARCHIVE_FATAL;

	if (archive && entry) {
		archive_entry_set_pathname(entry, "profile");
		archive_entry_set_filetype(entry, AE_IFREG);
		archive_write_add_filter_gzip(archive);
		archive_write_set_filter_option(archive, "gzip", "timestamp", NULL);
		archive_write_set_format_raw(archive);
		archive_write_set_bytes_in_last_block(archive, 1);
		status = archive_write_open_FILE(archive, job->stream);
	}
	if (status == ARCHIVE_OK)
		status = archive_write_header(archive, entry);
	if (status == ARCHIVE_OK && archive_write_data(archive, bytes->data, bytes->size) < 0)
		status = ARCHIVE_FATAL;
	if (status == ARCHIVE_OK)
		status = archive_write_close(archive);
	if (status != ARCHIVE_OK)
		snprintf(job->error, sizeof(job->error), "%s: %s", job->output,
			 archive ? archive_error_string(archive) : "out of memory");
	archive_entry_free(entry);
	archive_write_free(archive);
	return status == ARCHIVE_OK ? 0 : -EIO;
}

static int run(struct exporter_job *job)
{
	struct profile p = {.job = job};
	struct usage *usage = NULL;
	int error = callchains_init(&p.chains, job->trace, exporter_tell);

	add_string(&p, ""); /* string 0 */
	if (!error)
		error = open_mappings(&p);
	if (!error)
		error = usage_read(&usage, job);
	if (!error) {
		add_facts(&p);
		error = add_samples(&p, usage);
	}
	if (!error) {
		add_mappings(&p);
		error = p.message.failed ? -ENOMEM : write_gzip(job, &p.message);
	}
	free(usage);
	free(p.mappings);
	bytes_free(&p.message);
	bytes_free(&p.part);
	bytes_free(&p.lines);
	bytes_free(&p.line);
	idmap_fini(&p.files);
	callchains_fini(&p.chains);
	return error;
}

const struct exporter exporter_pprof = {
	.name = "pprof",
	.summary = "a heap profile for pprof",
	.run = run,
};
