#include "tables.h"

#include "definition.h"
#include "sitekey.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK_BYTES ((size_t)64 << 10)

struct tables_chunk {
	struct tables_chunk *next;
	size_t used;
	size_t capacity;
	_Alignas(8) char data[];
};

static void *chunk_alloc(struct tables *t, size_t bytes)
{
	struct tables_chunk *chunk = t->chunks;
	size_t capacity = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
	void *memory;

	bytes = (bytes + 7) & ~(size_t)7;
	if (!chunk || chunk->capacity - chunk->used < bytes) {
		capacity = (capacity + 7) & ~(size_t)7;
		chunk = malloc(sizeof(*chunk) + capacity);
		if (!chunk)
			return NULL;
		chunk->capacity = capacity;
		chunk->used = 0;
		chunk->next = t->chunks;
		t->chunks = chunk;
	}
	memory = chunk->data + chunk->used;
	chunk->used += bytes;
	return memory;
}

/* Room for one more element; tables double at the powers of two. */
static void *table_grow(void *table, size_t elements, size_t element_bytes)
{
	if (elements & (elements - 1) || (elements && elements < 16))
		return table;
	return realloc(table, (elements ? elements * 2 : 16) * element_bytes);
}

#define GROW(table, elements)                                                                      \
	({                                                                                         \
		void *grown = table_grow(table, elements, sizeof(*(table)));                       \
		if (grown)                                                                         \
			table = grown;                                                             \
		grown != NULL;                                                                     \
	})

/* A text of the record, copied; NULL when out of memory or the window went bad. */
static const char *read_text(struct tables *t, struct window *w)
{
	size_t length;
	const char *text = window_text(w, &length);
	char *copy;

	if (w->bad)
		return "";
	t->text_bytes += length + 1;
	if (t->text_bytes > DEFINITION_TEXT_MAX)
		w->bad = true;
	if (w->bad || memchr(text, 0, length)) {
		w->bad = true;
		return "";
	}
	copy = chunk_alloc(t, length + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = 0;
	return copy;
}

static uint32_t read_module_number(struct tables *t, struct window *w)
{
	return (uint32_t)window_number_max(w, t->n_modules) - 1; /* 0: TRACE_NO_MODULE */
}

static int read_fact(struct tables *t, struct window *w)
{
	const char *key = read_text(t, w), *value = read_text(t, w);

	if (!key || !value)
		return -ENOMEM;
	if (w->bad || t->n_facts == DEFINITION_FACTS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < t->n_facts; i++) {
		if (!strcmp(t->facts[2 * i], key)) {
			t->facts[2 * i + 1] = value;
			return 0;
		}
	}
	/* The table always has room for a pair: its size is even and it grows when full. */
	if (!GROW(t->facts, 2 * t->n_facts))
		return -ENOMEM;
	t->facts[2 * t->n_facts] = key;
	t->facts[2 * t->n_facts + 1] = value;
	t->n_facts++;
	return 0;
}

static uint64_t module_key(const struct trace_module *module)
{
	const char *slash = strrchr(module->path, '/'), *id = module->build_id;
	const char *base = slash ? slash + 1 : module->path;
	size_t digits = strlen(id);
	uint8_t raw[64] = {0};

	if (!digits || digits % 2 || digits > 2 * sizeof(raw) ||
	    strspn(id, "0123456789abcdef") != digits)
		return site_module_key(base, strlen(base));
	for (size_t i = 0; i < digits; i++) {
		unsigned digit = (unsigned)(id[i] <= '9' ? id[i] - '0' : id[i] - 'a' + 10);

		raw[i / 2] = (uint8_t)(i % 2 ? raw[i / 2] << 4 | digit : digit);
	}
	return site_module_key(raw, digits / 2);
}

static int read_module(struct tables *t, struct window *w)
{
	struct trace_module module;

	module.path = read_text(t, w);
	module.build_id = read_text(t, w);
	module.base_addr = window_number(w);
	module.size_bytes = window_number(w);
	if (!module.path || !module.build_id)
		return -ENOMEM;
	if (w->bad || t->n_modules == DEFINITION_MODULES_MAX)
		return -EBADMSG;
	if (!GROW(t->modules, t->n_modules) || !GROW(t->module_keys, t->n_modules))
		return -ENOMEM;
	t->module_keys[t->n_modules] = module_key(&module);
	t->modules[t->n_modules++] = module;
	return 0;
}

static int read_site(struct tables *t, struct window *w)
{
	struct trace_site site = {.module = read_module_number(t, w)};

	site.offset = window_number(w);
	site.height = (uint32_t)window_number_max(w, UINT32_MAX);
	if (w->bad || t->n_sites == DEFINITION_SITES_MAX)
		return -EBADMSG;
	if (!GROW(t->sites, t->n_sites))
		return -ENOMEM;
	t->sites[t->n_sites++] = site;
	return 0;
}

static int read_thread(struct tables *t, struct window *w, bool update)
{
	uint64_t number = update ? window_number(w) : t->n_threads;
	struct trace_thread thread;

	thread.tid = window_number(w);
	thread.name = read_text(t, w);
	thread.start_ns = window_number(w);
	thread.exit_ns = window_number(w) - 1; /* 0: TRACE_NONE */
	if (!thread.name)
		return -ENOMEM;
	if (w->bad || number >= t->n_threads + !update || number >= DEFINITION_THREADS_MAX)
		return -EBADMSG;
	if (!update && !GROW(t->threads, t->n_threads))
		return -ENOMEM;
	t->threads[number] = thread;
	t->n_threads += !update;
	return 0;
}

static int read_stack(struct tables *t, struct window *w)
{
	struct trace_stack stack = {.site = (uint32_t)window_number_max(w, UINT32_MAX)};
	struct trace_frame *frames;

	stack.depth = (uint32_t)window_number_max(w, DEFINITION_DEPTH_MAX);
	t->n_frames += stack.depth;
	/* A frame takes at least two bytes, so what is allocated here is there to be read. */
	if (w->bad || !stack.depth || stack.site >= t->n_sites ||
	    t->n_stacks == DEFINITION_STACKS_MAX || 2 * (uint64_t)stack.depth > window_left(w) ||
	    t->n_frames > DEFINITION_FRAMES_MAX)
		return -EBADMSG;
	frames = chunk_alloc(t, stack.depth * sizeof(*frames));
	if (!frames || !GROW(t->stacks, t->n_stacks))
		return -ENOMEM;
	for (uint32_t i = 0; i < stack.depth; i++) {
		frames[i].module = read_module_number(t, w);
		frames[i].offset = window_number(w);
	}
	if (w->bad)
		return -EBADMSG;
	stack.frames = frames;
	t->stacks[t->n_stacks++] = stack;
	return 0;
}

static int read_samples(struct tables *t, struct window *w)
{
	uint64_t number = window_number(w), samples = window_number(w);
	uint64_t site_samples = window_number(w);

	if (w->bad || number >= t->n_stacks || !samples || samples > site_samples)
		return -EBADMSG;
	t->stacks[number].samples = samples;
	t->stacks[number].site_samples = site_samples;
	return 0;
}

static int read_left(struct tables *t, struct window *w)
{
	struct trace_left left = {.object = window_number(w)};

	left.pages = window_number(w);
	if (w->bad || t->n_lefts == DEFINITION_LEFT_MAX)
		return -EBADMSG;
	if (!GROW(t->lefts, t->n_lefts))
		return -ENOMEM;
	t->lefts[t->n_lefts++] = left;
	return 0;
}

static int read_mark(struct tables *t, struct window *w)
{
	const char *text = read_text(t, w);

	if (!text)
		return -ENOMEM;
	if (w->bad || t->n_marks == DEFINITION_MARKS_MAX)
		return -EBADMSG;
	if (!GROW(t->marks, t->n_marks))
		return -ENOMEM;
	t->marks[t->n_marks++] = text;
	return 0;
}

static int read_record(struct tables *t, uint64_t tag, struct window *w)
{
	switch (tag) {
	case DEFINE_FACT:
		return read_fact(t, w);
	case DEFINE_MODULE:
		return read_module(t, w);
	case DEFINE_SITE:
		return read_site(t, w);
	case DEFINE_THREAD:
		return read_thread(t, w, false);
	case DEFINE_THREAD_UPDATE:
		return read_thread(t, w, true);
	case DEFINE_STACK:
		return read_stack(t, w);
	case DEFINE_MARK:
		return read_mark(t, w);
	case DEFINE_SAMPLES:
		return read_samples(t, w);
	case DEFINE_LEFT:
		return read_left(t, w);
	}
	return 0;
}

int tables_read(struct tables *t, struct window *w, const char **why)
{
	static const char *const reasons[] = {
		"a definition is damaged",
		"a fact is damaged",
		"a module's definition is damaged",
		"a site's definition is damaged",
		"a thread's definition is damaged",
		"a thread's update is damaged",
		"a stack is damaged",
		"a mark's text is damaged",
		"the samples of a stack are damaged",
		"the resident pages of an object are damaged",
	};

	while (w->at < w->end) {
		uint64_t tag = window_number(w);
		uint64_t size = window_number_max(w, DEFINITION_BYTES_MAX);
		const uint8_t *payload = window_bytes(w, size);
		struct window record = {payload, payload ? payload + size : payload, !payload};
		int err = payload ? read_record(t, tag, &record) : -EBADMSG;

		if (err) {
			*why = err == -ENOMEM                  ? "out of memory"
			       : payload && tag <= DEFINE_LEFT ? reasons[tag]
							       : reasons[0];
			return err;
		}
	}
	return 0;
}

void tables_fini(struct tables *t)
{
	while (t->chunks) {
		struct tables_chunk *chunk = t->chunks;

		t->chunks = chunk->next;
		free(chunk);
	}
	free(t->modules);
	free(t->module_keys);
	free(t->sites);
	free(t->stacks);
	free(t->lefts);
	free(t->threads);
	free(t->marks);
	free(t->facts);
	*t = (struct tables){0};
}
