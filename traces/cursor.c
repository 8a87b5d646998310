#include "cursor.h"

#include "reader.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>

/* A place for one block: empty, then being decoded, then done, then delivered and empty again. */
struct slot {
	struct rows rows;
	bool done;
	int status;
	const char *why;
};

struct helper {
	pthread_t thread;
	struct trace_cursor *cursor;
};

/* Block number n of the range goes through slot n % n_slots, so blocks come out in order. */
struct trace_cursor {
	struct trace *trace;
	const struct index_entry **blocks; /* of the range */
	size_t n_blocks;
	size_t next; /* the caller's next block */
	int status;  /* of the end, once reached */
	struct slot *slots;
	size_t n_slots;
	struct helper *helpers;
	unsigned n_helpers;
	struct frame_taker *taker; /* the caller's own, for decoding without helpers */
	struct bytes raw;
	struct bytes content;
	pthread_mutex_t lock; /* guards what follows, and the slots' states */
	pthread_cond_t changed;
	size_t claimed;  /* blocks given to helpers */
	size_t released; /* blocks that the caller is done with */
	bool stop;
};

static void decode_slot(struct trace_cursor *c, size_t block, struct slot *slot,
			struct frame_taker *taker, struct bytes *raw, struct bytes *content)
{
	const struct index_entry *entry = c->blocks[block];
	const struct tables *tables = &c->trace->tables;
	const struct decoder_limits limits = {tables->n_threads, tables->n_sites, tables->n_marks};
	struct block_head head;
	struct window w;

	slot->status = reader_frame(c->trace, entry, taker, raw, content, &slot->why);
	if (slot->status)
		return;
	w = (struct window){content->data + 1, content->data + content->size, false};
	slot->status = decoder_block(w, &limits, &slot->rows, &head, &slot->why);
	if (!slot->status &&
	    (head.rows != entry->rows || head.first_row != entry->first_row ||
	     head.objects != entry->objects || head.first_object != entry->first_object ||
	     head.first_ns != entry->first_ns || head.last_ns != entry->last_ns)) {
		slot->status = -EBADMSG;
		slot->why = "its rows are not those that the index says";
	}
}

static void *helper_run(void *argument)
{
	struct trace_cursor *c = ((struct helper *)argument)->cursor;
	struct frame_taker *taker = frame_taker_create();
	struct bytes raw = {0}, content = {0};

	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct slot *slot;
		size_t block;

		while (!c->stop && c->claimed < c->n_blocks &&
		       c->claimed >= c->released + c->n_slots)
			pthread_cond_wait(&c->changed, &c->lock);
		if (c->stop || c->claimed == c->n_blocks)
			break;
		block = c->claimed++;
		slot = &c->slots[block % c->n_slots];
		pthread_mutex_unlock(&c->lock);
		if (taker) {
			decode_slot(c, block, slot, taker, &raw, &content);
		} else {
			slot->status = -ENOMEM;
			slot->why = "out of memory";
		}
		pthread_mutex_lock(&c->lock);
		slot->done = true;
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	bytes_free(&raw);
	bytes_free(&content);
	frame_taker_destroy(taker);
	return NULL;
}

static int find_blocks(struct trace_cursor *c, const struct trace_range *range)
{
	const struct index *index = &c->trace->index;
	uint64_t to = range->to_ns ? range->to_ns : UINT64_MAX;

	c->blocks = malloc((index->n_entries + 1) * sizeof(struct index_entry *));
	if (!c->blocks)
		return -ENOMEM;
	for (size_t i = 0; i < index->n_entries; i++) {
		const struct index_entry *e = &index->entries[i];

		if (e->kind == FRAME_EVENTS && e->last_ns >= range->from_ns && e->first_ns < to)
			c->blocks[c->n_blocks++] = e;
	}
	return 0;
}

static unsigned processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

static int start_helpers(struct trace_cursor *c, unsigned jobs)
{
	if (!jobs)
		jobs = processors();
	if (jobs > 64)
		jobs = 64;
	if (jobs > c->n_blocks)
		jobs = (unsigned)c->n_blocks;
	if (jobs <= 1)
		jobs = 0;
	c->n_slots = jobs ? jobs + 1 : 1;
	c->slots = calloc(c->n_slots, sizeof(*c->slots));
	c->helpers = calloc(jobs + 1, sizeof(*c->helpers));
	c->taker = frame_taker_create();
	if (!c->slots || !c->helpers || !c->taker)
		return -ENOMEM;
	for (unsigned i = 0; i < jobs; i++) {
		c->helpers[i].cursor = c;
		/* Fewer helpers, even none, only make it slower. */
		if (pthread_create(&c->helpers[i].thread, NULL, helper_run, &c->helpers[i]))
			break;
		c->n_helpers++;
	}
	return 0;
}

/* Sets the trace's error, unless a cursor has done so before. Returns status. */
__attribute__((format(printf, 3, 4))) static int fail_trace(struct trace *t, int status,
							    const char *format, ...)
{
	va_list arguments;
	int used;

	pthread_mutex_lock(&t->lock);
	if (!atomic_load_explicit(&t->cursor_failed, memory_order_relaxed)) {
		used = snprintf(t->cursor_error, sizeof(t->cursor_error) / 2, "%s: ", t->name);
		if (used < 0 || (size_t)used >= sizeof(t->cursor_error) / 2)
			used = (int)sizeof(t->cursor_error) / 2 - 1;
		va_start(arguments, format);
		vsnprintf(t->cursor_error + used, sizeof(t->cursor_error) - (size_t)used, format,
			  arguments);
		va_end(arguments);
		/* Partner: the load in trace_error(). */
		atomic_store_explicit(&t->cursor_failed, true, memory_order_release);
	}
	pthread_mutex_unlock(&t->lock);
	return status;
}

int trace_cursor_open(struct trace_cursor **cursor, struct trace *trace,
		      const struct trace_range *range)
{
	static const struct trace_range everything;
	struct trace_cursor *c = calloc(1, sizeof(*c));
	int err;

	*cursor = c;
	if (!c)
		return fail_trace(trace, -ENOMEM, "out of memory");
	c->trace = trace;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	range = range ? range : &everything;
	err = find_blocks(c, range);
	if (!err)
		err = start_helpers(c, range->jobs);
	if (err) {
		trace_cursor_close(c);
		*cursor = NULL;
		fail_trace(trace, err, "out of memory");
	}
	return err;
}

/* The caller's next block, decoded. */
static struct slot *next_slot(struct trace_cursor *c)
{
	struct slot *slot = &c->slots[c->next % c->n_slots];

	if (!c->n_helpers) {
		decode_slot(c, c->next, slot, c->taker, &c->raw, &c->content);
		return slot;
	}
	pthread_mutex_lock(&c->lock);
	/* The block before this one, which the caller has just given up, makes room for another. */
	c->released = c->next;
	pthread_cond_broadcast(&c->changed);
	while (!slot->done)
		pthread_cond_wait(&c->changed, &c->lock);
	slot->done = false;
	pthread_mutex_unlock(&c->lock);
	return slot;
}

static int fail_block(struct trace_cursor *c, const struct slot *slot)
{
	const struct index_entry *entry = c->blocks[c->next];
	struct trace *t = c->trace;
	size_t block = 0;

	for (const struct index_entry *e = t->index.entries; e < entry; e++)
		block += e->kind == FRAME_EVENTS;
	return fail_trace(t, slot->status,
			  "block %zu at byte %llu: %s; %llu rows before it can be read", block,
			  (unsigned long long)entry->offset, slot->why,
			  (unsigned long long)entry->first_row);
}

int trace_cursor_next(struct trace_cursor *c, const struct trace_batch **batch)
{
	struct slot *slot;

	*batch = NULL;
	if (c->status || c->next == c->n_blocks)
		return c->status;
	slot = next_slot(c);
	if (slot->status) {
		c->status = fail_block(c, slot);
		return c->status;
	}
	c->next++;
	*batch = &slot->rows.batch;
	return 1;
}

void cursor_take(struct trace_cursor *c, struct rows *rows)
{
	struct slot *slot = &c->slots[(c->next - 1) % c->n_slots];

	*rows = slot->rows;
	slot->rows = (struct rows){0};
}

void trace_cursor_close(struct trace_cursor *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->n_helpers; i++)
		pthread_join(c->helpers[i].thread, NULL);
	for (size_t i = 0; c->slots && i < c->n_slots; i++)
		rows_fini(&c->slots[i].rows);
	free(c->slots);
	free(c->helpers);
	free(c->blocks);
	frame_taker_destroy(c->taker);
	bytes_free(&c->raw);
	bytes_free(&c->content);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
