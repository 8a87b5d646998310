#include "reader.h"

#include "sitekey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int reader_fail(struct trace *t, int status, const char *format, ...)
{
	int used = snprintf(t->error, sizeof(t->error), "%s: ", t->name);
	va_list arguments;

	if (used < 0 || (size_t)used >= sizeof(t->error))
		return status;
	va_start(arguments, format);
	vsnprintf(t->error + used, sizeof(t->error) - (size_t)used, format, arguments);
	va_end(arguments);
	return status;
}

int reader_frame(const struct trace *t, const struct index_entry *entry, struct frame_taker *taker,
		 struct bytes *raw, struct bytes *content, const char **why)
{
	int err;

	raw->size = 0;
	*why = "out of memory";
	if (!bytes_reserve(raw, entry->bytes))
		return -ENOMEM;
	err = frame_read(t->fd, entry->offset, raw->data, entry->bytes);
	if (err) {
		*why = err == -ENODATA ? "the file ends inside it" : strerror(-err);
		return err == -ENODATA ? -EBADMSG : err;
	}
	err = frame_take(taker, raw->data, entry->bytes, content, why);
	if (!err && (!content->size || content->data[0] != entry->kind)) {
		*why = "its content is not of the kind that the index says";
		err = -EBADMSG;
	}
	return err;
}

/* Tells a file that is no trace, or too new a one, by its first bytes. */
static int check_header(struct trace *t)
{
	enum { HEAD = 1 << 17 };
	size_t available = t->file_bytes < HEAD ? t->file_bytes : HEAD, size = HEADER_BYTES;
	uint8_t content[HEADER_BYTES];
	uint32_t version, oldest;
	const char *why;
	uint8_t *head;
	int err;

	if (!t->file_bytes)
		return reader_fail(t, -EBADMSG, "the file is empty");
	head = malloc(HEAD);
	if (!head)
		return reader_fail(t, -ENOMEM, "out of memory");
	err = frame_read(t->fd, 0, head, available);
	if (err) {
		reader_fail(t, err, "cannot read: %s", strerror(-err));
		goto out;
	}
	if (available < 4 || frame_u32(head) != FRAME_ZSTD_MAGIC) {
		err = reader_fail(t, -EBADMSG, "not a trace: it does not begin with a zstd frame");
		goto out;
	}
	err = frame_peek(t->taker, head, available, content, &size, &why);
	if (err) {
		reader_fail(t, err, "the first frame: %s", why);
		goto out;
	}
	err = header_read(content, size, &version, &oldest);
	if (err == -EBADMSG && size < HEADER_BYTES && available == t->file_bytes &&
	    !memcmp(content, FRAME_MAGIC, size < FRAME_MAGIC_BYTES ? size : FRAME_MAGIC_BYTES))
		reader_fail(t, err, "ends inside its first frame: nothing can be read");
	else if (err == -EBADMSG)
		reader_fail(t, err, "a zstd file, but not a trace");
	else if (err && oldest > TRACE_FORMAT_VERSION)
		reader_fail(t, err,
			    "written in format version %u, which needs a reader of version %u or "
			    "newer; this one reads version %u",
			    version, oldest, TRACE_FORMAT_VERSION);
	else if (err)
		reader_fail(t, err, "uses features of format version %u that this reader lacks",
			    version);
out:
	free(head);
	return err;
}

/* Everything from entry on is left out: the trace ends before it. */
static void cut_index(struct trace *t, size_t entry)
{
	t->index.n_entries = entry;
	t->complete = false;
}

static bool read_last(struct trace *t, const struct bytes *content, const char **why)
{
	struct window w = {content->data, content->data + content->size, false};
	struct header_counts counts;

	*why = "damaged totals";
	if (!header_read_last(&w, &counts, &t->totals))
		return false;
	*why = "its number of rows or objects is not that of the blocks before it";
	if (counts.rows != index_rows(&t->index) || counts.objects != index_objects(&t->index))
		return false;
	t->ended = true;
	return true;
}

/* Takes in a frame of definitions or the last frame; one of a kind not known is only checked. */
static int read_frame(struct trace *t, const struct index_entry *entry, struct bytes *raw,
		      struct bytes *content, const char **why)
{
	size_t skip = entry->kind == FRAME_HEADER ? HEADER_BYTES : 1;
	int err = reader_frame(t, entry, t->taker, raw, content, why);
	struct window w;

	if (err)
		return err;
	if (entry->kind == FRAME_LAST)
		return read_last(t, content, why) ? 0 : -EBADMSG;
	if (entry->kind != FRAME_HEADER && entry->kind != FRAME_DEFINITIONS)
		return 0;
	*why = "its header is cut short";
	if (content->size < skip)
		return -EBADMSG;
	w = (struct window){content->data + skip, content->data + content->size, false};
	return tables_read(&t->tables, &w, why);
}

/* Reads all definitions, in the file's order, and the totals. */
static int read_definitions(struct trace *t)
{
	struct bytes raw = {0}, content = {0};
	int err = 0;

	for (size_t i = 0; i < t->index.n_entries && !err; i++) {
		const struct index_entry *entry = &t->index.entries[i];
		const char *why;

		if (entry->kind == FRAME_EVENTS || entry->kind == FRAME_SKIPPABLE)
			continue;
		err = read_frame(t, entry, &raw, &content, &why);
		if (err) {
			cut_index(t, i);
			reader_fail(t, err,
				    "frame %zu at byte %llu: %s; %llu rows before it can be read",
				    i, (unsigned long long)entry->offset, why,
				    (unsigned long long)trace_rows(t));
		}
	}
	bytes_free(&raw);
	bytes_free(&content);
	/* Rows before the damage can be read, unless the header itself is damaged. */
	return err == -EBADMSG && t->index.n_entries ? 0 : err;
}

static int open_file(struct trace *t, const char *path)
{
	struct stat st;
	int err;

	t->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0 || fstat(t->fd, &st))
		return reader_fail(t, -errno, "cannot open: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return reader_fail(t, -ESPIPE, "not a regular file");
	t->file_bytes = (uint64_t)st.st_size;
	err = check_header(t);
	if (err)
		return err;
	err = reader_find_index(t);
	if (!err) {
		t->complete = true;
	} else if (err == -ENODATA || err == -EBADMSG) {
		index_fini(&t->index);
		err = reader_scan(t);
	}
	return err ? err : read_definitions(t);
}

int trace_open(struct trace **trace, const char *path)
{
	struct trace *t = calloc(1, sizeof(*t));

	*trace = t;
	if (!t)
		return -ENOMEM;
	t->fd = -1;
	pthread_mutex_init(&t->lock, NULL);
	t->name = strdup(path);
	t->taker = frame_taker_create();
	if (!t->name || !t->taker) {
		snprintf(t->error, sizeof(t->error), "out of memory");
		return -ENOMEM;
	}
	return open_file(t, path);
}

void trace_close(struct trace *t)
{
	if (!t)
		return;
	if (t->fd >= 0)
		close(t->fd);
	index_fini(&t->index);
	tables_fini(&t->tables);
	frame_taker_destroy(t->taker);
	pthread_mutex_destroy(&t->lock);
	free(t->name);
	free(t);
}

const char *trace_error(const struct trace *t)
{
	if (!t)
		return "out of memory";
	return atomic_load_explicit(&t->cursor_failed, memory_order_acquire) ? t->cursor_error
									     : t->error;
}

bool trace_complete(const struct trace *t)
{
	return t->complete;
}

uint64_t trace_file_bytes(const struct trace *t)
{
	return t->file_bytes;
}

uint64_t trace_rows(const struct trace *t)
{
	return index_rows(&t->index);
}

const char *trace_fact(const struct trace *t, const char *key)
{
	for (size_t i = 0; i < t->tables.n_facts; i++) {
		if (!strcmp(t->tables.facts[2 * i], key))
			return t->tables.facts[2 * i + 1];
	}
	return NULL;
}

size_t trace_facts(const struct trace *t, const char *const **keys_and_values)
{
	*keys_and_values = t->tables.facts;
	return t->tables.n_facts;
}

size_t trace_modules(const struct trace *t, const struct trace_module **modules)
{
	*modules = t->tables.modules;
	return t->tables.n_modules;
}

size_t trace_sites(const struct trace *t, const struct trace_site **sites)
{
	*sites = t->tables.sites;
	return t->tables.n_sites;
}

size_t trace_lefts(const struct trace *t, const struct trace_left **lefts)
{
	*lefts = t->tables.lefts;
	return t->tables.n_lefts;
}

size_t trace_stacks(const struct trace *t, const struct trace_stack **stacks)
{
	*stacks = t->tables.stacks;
	return t->tables.n_stacks;
}

size_t trace_threads(const struct trace *t, const struct trace_thread **threads)
{
	*threads = t->tables.threads;
	return t->tables.n_threads;
}

size_t trace_marks(const struct trace *t, const char *const **texts)
{
	*texts = t->tables.marks;
	return t->tables.n_marks;
}

const struct trace_totals *trace_totals(const struct trace *t)
{
	return t->ended ? &t->totals : NULL;
}

uint64_t trace_site_key(const struct trace *t, uint32_t number)
{
	const struct trace_site *site;
	uint64_t module = site_module_key("", 0);

	if (number >= t->tables.n_sites)
		return 0;
	site = &t->tables.sites[number];
	if (site->module != TRACE_NO_MODULE)
		module = t->tables.module_keys[site->module];
	return site_key(module, site->offset, site->height);
}
