/*
 * Consumers may move a child out of its parent and keep it longer, so every schema and array owns
 * what it needs by itself; the memory of a batch is counted.
 */
#include "arrowdata.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct arrow_memory {
	atomic_uint shares;
	void *memory;
};

struct arrow_memory *arrow_memory_create(void *memory)
{
	struct arrow_memory *m = malloc(sizeof(*m));

	if (m) {
		atomic_init(&m->shares, 1);
		m->memory = memory;
	}
	return m;
}

static struct arrow_memory *memory_share(struct arrow_memory *m)
{
	if (m)
		atomic_fetch_add_explicit(&m->shares, 1, memory_order_relaxed);
	return m;
}

void arrow_memory_release(struct arrow_memory *m)
{
	/* every user's reads happen before the free: release by each, acquire by the last */
	if (!m || atomic_fetch_sub_explicit(&m->shares, 1, memory_order_acq_rel) > 1)
		return;
	free(m->memory);
	free(m);
}

void arrow_buffers_free(struct arrow_buffers *b)
{
	if (!b->owned)
		return;
	free((void *)b->values);
	free(b->text);
	free(b->validity);
}

/* ---- schemas ---- */

/* The consumer may have moved its content away: then there is nothing to release. */
static void schema_free(struct ArrowSchema *schema)
{
	if (schema && schema->release)
		schema->release(schema);
	free(schema);
}

static void schema_release(struct ArrowSchema *schema)
{
	for (int64_t i = 0; schema->children && i < schema->n_children; i++)
		schema_free(schema->children[i]);
	free(schema->children);
	schema_free(schema->dictionary);
	schema->release = NULL;
}

static struct ArrowSchema *schema_create(const struct arrow_column *column)
{
	struct ArrowSchema *schema = calloc(1, sizeof(*schema));

	if (!schema)
		return NULL;
	schema->format = column->format;
	schema->name = column->name;
	schema->flags = column->nullable ? ARROW_FLAG_NULLABLE : 0;
	schema->release = schema_release;
	if (column->dictionary) {
		const struct arrow_column values = {.name = "", .format = "U"};

		schema->dictionary = schema_create(&values);
		if (!schema->dictionary) {
			free(schema);
			return NULL;
		}
	}
	return schema;
}

int arrow_schema(struct ArrowSchema *out, const struct arrow_column *columns, size_t n)
{
	*out = (struct ArrowSchema){.format = "+s", .name = "", .release = schema_release};
	out->children = calloc(n, sizeof(*out->children));
	for (size_t i = 0; out->children && i < n; i++) {
		out->children[i] = schema_create(&columns[i]);
		if (!out->children[i])
			break;
		out->n_children++;
	}
	if (out->n_children == (int64_t)n)
		return 0;
	schema_release(out);
	return -ENOMEM;
}

/* ---- arrays ---- */

/* What an array owns. */
struct holding {
	struct arrow_buffers owned;
	struct arrow_memory *memory;
	const void *buffers[3];
};

static void array_free(struct ArrowArray *array)
{
	if (array && array->release)
		array->release(array);
	free(array);
}

static void array_release(struct ArrowArray *array)
{
	struct holding *holding = array->private_data;

	for (int64_t i = 0; array->children && i < array->n_children; i++)
		array_free(array->children[i]);
	free(array->children);
	array_free(array->dictionary);
	arrow_buffers_free(&holding->owned);
	arrow_memory_release(holding->memory);
	free(holding);
	array->release = NULL;
}

static bool array_init(struct ArrowArray *array, size_t rows)
{
	struct holding *holding = calloc(1, sizeof(*holding));

	*array = (struct ArrowArray){.length = (int64_t)rows, .n_buffers = 1};
	if (!holding)
		return false;
	array->buffers = holding->buffers;
	array->private_data = holding;
	array->release = array_release;
	return true;
}

static struct ArrowArray *array_create(const struct arrow_buffers *buffers, size_t rows,
				       struct arrow_memory *memory)
{
	struct ArrowArray *array = malloc(sizeof(*array));
	struct holding *holding;

	if (!array || !array_init(array, rows)) {
		free(array);
		return NULL;
	}
	holding = array->private_data;
	holding->owned = *buffers;
	holding->memory = buffers->owned ? NULL : memory_share(memory);
	holding->buffers[0] = buffers->validity;
	holding->buffers[1] = buffers->values;
	holding->buffers[2] = buffers->text;
	array->n_buffers = buffers->text ? 3 : 2;
	array->null_count = buffers->nulls;
	return array;
}

static struct ArrowArray *dictionary_create(const struct arrow_dictionary *dictionary)
{
	const struct arrow_buffers buffers = {
		.values = dictionary->offsets,
		.text = (char *)dictionary->text,
	};

	return array_create(&buffers, (size_t)dictionary->length, NULL);
}

int arrow_batch(struct ArrowArray *out, const struct arrow_column *columns,
		const struct arrow_buffers *buffers, size_t n, size_t rows,
		struct arrow_memory *memory)
{
	bool whole = array_init(out, rows);

	if (whole)
		out->children = calloc(n, sizeof(*out->children));
	for (size_t i = 0; i < n; i++) {
		struct arrow_buffers column = buffers[i];
		struct ArrowArray *child = NULL;

		if (whole && out->children)
			child = array_create(&column, rows, memory);
		if (!child) {
			arrow_buffers_free(&column);
			whole = false;
			continue;
		}
		out->children[out->n_children++] = child;
		if (!columns[i].dictionary)
			continue;
		child->dictionary = dictionary_create(columns[i].dictionary);
		if (!child->dictionary)
			whole = false;
	}
	if (whole)
		return 0;
	if (out->release)
		array_release(out);
	return -ENOMEM;
}
