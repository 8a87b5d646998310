#include "definition.h"
#include "encoder.h"
#include "framefile.h"
#include "header.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define PENDING_BYTES ((size_t)256 << 10) /* definitions that wait for their frame, at most */

struct trace_writer {
	struct encoder encoder;
	struct definition_counts counts;
	struct framefile file;
	int status;           /* the first error, which ends all writing */
	uint64_t calls;       /* in the file's frames */
	struct bytes pending; /* definitions since the last frame */
	char *name;
	char error[512];
};

__attribute__((format(printf, 3, 4))) static int fail(struct trace_writer *w, int status,
						      const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(w->error, sizeof(w->error), format, arguments);
	va_end(arguments);
	return status;
}

/* A failure after which nothing more is written. */
static int fail_for_good(struct trace_writer *w, int status, const char *doing)
{
	w->status = fail(w, status, "%s: %s: %s", w->name, doing, strerror(-status));
	return status;
}

/* A refused argument; the writer goes on. */
static int refuse(struct trace_writer *w, int status, const char *what)
{
	return fail(w, status, "%s: row %llu: %s", w->name,
		    (unsigned long long)(w->encoder.first_row + w->encoder.rows), what);
}

/* Writes what is in the file's content as a frame. */
static int write_frame(struct trace_writer *w, struct index_entry entry)
{
	bool full = w->file.full;
	int err = framefile_write(&w->file, entry);

	if (w->file.full && !full)
		w->status = fail(w, err, "%s: it has reached its greatest size", w->name);
	else if (err)
		fail_for_good(w, err, "cannot write");
	return err;
}

/* Definitions go out before any row that uses them; the first of them with the header. */
static int write_pending(struct trace_writer *w)
{
	bool headed = framefile_headed(&w->file);
	uint8_t kind = headed ? FRAME_DEFINITIONS : FRAME_HEADER;
	int err;

	if (headed && !w->pending.size)
		return 0;
	if (headed)
		bytes_add(&w->file.content, &kind, 1);
	else
		header_write(&w->file.content);
	bytes_add(&w->file.content, w->pending.data, w->pending.size);
	err = write_frame(w, (struct index_entry){.kind = kind});
	w->pending.size = 0;
	return err;
}

static int write_block(struct trace_writer *w)
{
	struct encoder *e = &w->encoder;
	struct index_entry entry = {
		.kind = FRAME_EVENTS,
		.rows = e->rows,
		.objects = (uint32_t)(e->objects - e->first_object),
		.first_ns = e->first_ns,
		.last_ns = e->last_ns,
	};
	uint32_t calls = encoder_calls(e);
	int err = write_pending(w);

	if (err || !e->rows)
		return err;
	bytes_add(&w->file.content, &entry.kind, 1);
	encoder_end(e, &w->file.content);
	err = write_frame(w, entry);
	if (!err)
		w->calls += calls;
	return err;
}

static struct trace_writer *writer_create(const char *name)
{
	struct trace_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->name = strdup(name);
	if (!w->name || framefile_init(&w->file) || encoder_init(&w->encoder)) {
		free(w->name);
		framefile_fini(&w->file);
		free(w);
		return NULL;
	}
	return w;
}

int trace_writer_fdopen(struct trace_writer **writer, int fd, const char *name)
{
	struct trace_writer *w = writer_create(name);
	int err;

	*writer = w;
	if (!w)
		return -ENOMEM;
	err = framefile_adopt(&w->file, fd);
	return err ? fail_for_good(w, err, "cannot open") : 0;
}

int trace_writer_open(struct trace_writer **writer, const char *path)
{
	struct trace_writer *w = writer_create(strcmp(path, "-") ? path : "standard output");
	int err;

	*writer = w;
	if (!w)
		return -ENOMEM;
	err = framefile_open(&w->file, path);
	if (err == -EBUSY)
		return w->status = fail(w, err, "%s: another program is writing it", path);
	return err ? fail_for_good(w, err, "cannot open") : 0;
}

static uint64_t text_bytes(const char *text)
{
	return text ? strlen(text) + 1 : 1;
}

/* Before a definition is added to the pending ones: 0, or why it may not be. */
static int define_begin(struct trace_writer *w, const struct definition_cost *cost)
{
	const char *excess = definition_excess(&w->counts, cost);

	return excess ? refuse(w, -EOVERFLOW, excess) : 0;
}

/* Afterwards: its number, or the error that adding it met. */
static int64_t define_end(struct trace_writer *w, const struct definition_cost *cost, int err)
{
	uint32_t number;

	if (err == -E2BIG)
		return refuse(w, err, "a definition of more than 4 MiB");
	if (err)
		return fail_for_good(w, err, "cannot write");
	number = definition_count(&w->counts, cost);
	if (w->pending.size > PENDING_BYTES)
		err = write_block(w);
	return err ? err : (int64_t)number;
}

/* One definition: what it costs, and the call that adds it. */
#define DEFINE(w, add, ...)                                                                        \
	({                                                                                         \
		const struct definition_cost cost = {__VA_ARGS__};                                 \
		int64_t result = define_begin(w, &cost);                                           \
		result ? result : define_end(w, &cost, add);                                       \
	})

int trace_writer_fact(struct trace_writer *w, const char *key, const char *value)
{
	int64_t number;

	if (w->status && !w->file.full)
		return w->status;
	if (w->file.full &&
	    w->pending.size + text_bytes(key) + text_bytes(value) + 8 > FRAMEFILE_END_FACTS)
		return w->status;
	number = DEFINE(w, definition_fact(&w->pending, key, value), DEFINE_FACT,
			.text_bytes = text_bytes(key) + text_bytes(value));
	return number < 0 ? (int)number : 0;
}

int64_t trace_writer_module(struct trace_writer *w, const struct trace_module *module)
{
	if (w->status)
		return w->status;
	return DEFINE(w, definition_module(&w->pending, module), DEFINE_MODULE,
		      .text_bytes = text_bytes(module->path) + text_bytes(module->build_id));
}

int64_t trace_writer_site(struct trace_writer *w, const struct trace_site *site)
{
	if (w->status)
		return w->status;
	if (site->module != TRACE_NO_MODULE && site->module >= w->counts.modules)
		return refuse(w, -EINVAL, "a site in a module that is not defined");
	return DEFINE(w, definition_site(&w->pending, site), DEFINE_SITE);
}

int64_t trace_writer_thread(struct trace_writer *w, const struct trace_thread *thread)
{
	if (w->status)
		return w->status;
	return DEFINE(w, definition_thread(&w->pending, thread), DEFINE_THREAD,
		      .text_bytes = text_bytes(thread->name));
}

int64_t trace_writer_mark(struct trace_writer *w, const char *text)
{
	if (w->status)
		return w->status;
	return DEFINE(w, definition_mark(&w->pending, text), DEFINE_MARK,
		      .text_bytes = text_bytes(text));
}

int trace_writer_thread_update(struct trace_writer *w, uint32_t number,
			       const struct trace_thread *thread)
{
	if (w->status)
		return w->status;
	if (number >= w->counts.threads)
		return refuse(w, -EINVAL, "an update of a thread that is not defined");
	return (int)DEFINE(w, definition_thread_update(&w->pending, number, thread),
			   DEFINE_THREAD_UPDATE, .text_bytes = text_bytes(thread->name));
}

int64_t trace_writer_stack(struct trace_writer *w, const struct trace_stack *stack)
{
	if (w->status)
		return w->status;
	if (stack->site >= w->counts.sites)
		return refuse(w, -EINVAL, "a stack of a site that is not defined");
	if (!stack->depth || stack->depth > DEFINITION_DEPTH_MAX)
		return refuse(w, -EINVAL, "a stack without frames, or with more than 65536");
	for (uint32_t i = 0; i < stack->depth; i++) {
		uint32_t module = stack->frames[i].module;

		if (module != TRACE_NO_MODULE && module >= w->counts.modules)
			return refuse(w, -EINVAL, "a frame in a module that is not defined");
	}
	return DEFINE(w, definition_stack(&w->pending, stack), DEFINE_STACK,
		      .frames = stack->depth);
}

int trace_writer_samples(struct trace_writer *w, uint32_t stack, uint64_t samples,
			 uint64_t site_samples)
{
	if (w->status)
		return w->status;
	if (stack >= w->counts.stacks)
		return refuse(w, -EINVAL, "samples of a stack that is not defined");
	if (!samples || samples > site_samples)
		return refuse(w, -EINVAL, "more samples of a stack than of its site, or none");
	return (int)DEFINE(w, definition_samples(&w->pending, stack, samples, site_samples),
			   DEFINE_SAMPLES);
}

static const char *refusal(const struct trace_writer *w, const struct trace_event *event)
{
	const struct encoder *e = &w->encoder;

	if (event->thread >= w->counts.threads)
		return "its thread is not defined";
	if (event->site >= w->counts.sites && event->site != TRACE_NO_SITE)
		return "its site is not defined";
	if (event->time_ns < e->last_ns)
		return "its time is before the last row's";
	if (event->time_ns > INT64_MAX)
		return "its time is above 2^63 - 1";
	if (event->object != TRACE_NONE && event->object != e->objects)
		return "its object is not the next object";
	if (event->old_object != TRACE_NONE && event->old_object >= e->objects)
		return "its old object is not born";
	if (event->kind == TRACE_MARK && event->size >= w->counts.marks)
		return "its text is not defined";
	if (event->kind > KIND_MAX)
		return "its kind is unknown";
	return event->flags > KIND_FLAGS_ALL ? "it has an unknown flag" : NULL;
}

/* An operation that this block has not seen, or an illegal one. */
__attribute__((noinline, cold)) static int
new_operation(struct trace_writer *w, const struct trace_event *event, unsigned fields)
{
	const char *why;
	int number = encoder_operation(&w->encoder, event->kind, event->flags, fields, &why);

	if (number == -EINVAL)
		return refuse(w, -EINVAL, why);
	if (number == -ENOSPC) {
		int err = write_block(w);

		if (err)
			return err;
		number = encoder_operation(&w->encoder, event->kind, event->flags, fields, &why);
	}
	return number;
}

/* Appends a row, and leaves it to the caller to end a block that is full. */
static inline int append(struct trace_writer *w, const struct trace_event *event)
{
	struct encoder *e = &w->encoder;
	unsigned fields = encoder_fields(event);
	int number;

	if (w->status)
		return w->status;
	/* "None" wraps to 0. */
	if (event->thread >= w->counts.threads || (uint32_t)(event->site + 1) > w->counts.sites ||
	    event->time_ns - e->last_ns > INT64_MAX - e->last_ns ||
	    event->object != (fields & FIELD_OBJECT ? e->objects : TRACE_NONE) ||
	    event->old_object + 1 > e->objects || event->kind > KIND_MAX ||
	    event->flags > KIND_FLAGS_ALL ||
	    (event->kind == TRACE_MARK && event->size >= w->counts.marks))
		return refuse(w, -EINVAL, refusal(w, event));
	number = e->numbers[encoder_key(event->kind, event->flags, fields)];
	if (__builtin_expect(!number--, 0)) {
		number = new_operation(w, event, fields);
		if (number < 0)
			return number;
	}
	encoder_row(e, event, (unsigned)number, fields);
	return 0;
}

int trace_writer_event(struct trace_writer *w, const struct trace_event *event)
{
	int status = append(w, event);

	return !status && w->encoder.rows == BLOCK_ROWS ? write_block(w) : status;
}

int trace_writer_event_pages(struct trace_writer *w, const struct trace_event *event,
			     const struct trace_pages *pages)
{
	int status;

	if (!w->status && ((pages->born != TRACE_NONE && event->object == TRACE_NONE) ||
			   (pages->died != TRACE_NONE && event->old_object == TRACE_NONE)))
		return refuse(w, -EINVAL, "resident pages of no object");
	status = append(w, event);
	if (status)
		return status;
	encoder_pages(&w->encoder, pages);
	return w->encoder.rows == BLOCK_ROWS ? write_block(w) : 0;
}

int trace_writer_left(struct trace_writer *w, uint64_t object, uint64_t pages)
{
	int64_t number;

	if (w->status)
		return w->status;
	if (object >= w->encoder.objects)
		return refuse(w, -EINVAL, "resident pages of an object that is not born");
	number = DEFINE(w, definition_left(&w->pending, object, pages), DEFINE_LEFT);
	return number < 0 ? (int)number : 0;
}

struct encoder *trace_writer_encoder(struct trace_writer *w)
{
	return &w->encoder;
}

void trace_writer_hurry(struct trace_writer *w)
{
	frame_maker_hurry(w->file.maker);
}

uint64_t trace_writer_objects(const struct trace_writer *w)
{
	return w->encoder.objects;
}

int trace_writer_flush(struct trace_writer *w)
{
	return w->status ? w->status : write_block(w);
}

void trace_writer_limit(struct trace_writer *w, uint64_t bytes)
{
	w->file.limit = bytes;
}

bool trace_writer_full(const struct trace_writer *w)
{
	return w->file.full;
}

uint64_t trace_writer_bytes(const struct trace_writer *w)
{
	return w->file.written;
}

uint64_t trace_writer_calls(const struct trace_writer *w)
{
	return w->calls;
}

const char *trace_writer_error(const struct trace_writer *w)
{
	return w ? w->error : "out of memory";
}

static int write_end(struct trace_writer *w, const struct trace_totals *totals)
{
	const struct index *index = &w->file.index;
	struct header_counts counts = {index_rows(index), index_objects(index)};
	struct trace_totals whole = *totals;
	int err;

	if (w->file.full)
		whole.duration_ns = index_last_ns(index);
	header_write_last(&w->file.content, &counts, &whole);
	err = write_frame(w, (struct index_entry){.kind = FRAME_LAST});
	if (err)
		return err;
	err = framefile_end(&w->file);
	return err ? fail_for_good(w, err, "cannot write") : 0;
}

int trace_writer_close(struct trace_writer *w, const struct trace_totals *totals)
{
	int status, err;

	if (!w)
		return 0;
	if (!w->status)
		write_block(w);
	if (w->file.full)
		w->status = write_pending(w);
	if (!w->status && totals)
		write_end(w, totals);
	err = framefile_close(&w->file);
	status = w->status ? w->status : err;
	encoder_fini(&w->encoder);
	bytes_free(&w->pending);
	framefile_fini(&w->file);
	free(w->name);
	free(w);
	return status;
}
