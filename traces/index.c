#include "index.h"

#include <errno.h>
#include <stdlib.h>

int index_add(struct index *index, struct index_entry entry)
{
	const struct index_entry *last;

	if (index->n_entries == index->capacity) {
		size_t capacity = index->capacity ? 2 * index->capacity : 64;
		void *entries = realloc(index->entries, capacity * sizeof(*index->entries));

		if (!entries)
			return -ENOMEM;
		index->entries = entries;
		index->capacity = capacity;
	}
	if (index->n_entries) {
		last = &index->entries[index->n_entries - 1];
		entry.offset = last->offset + last->bytes;
		entry.first_row = last->first_row + last->rows;
		entry.first_object = last->first_object + last->objects;
		if (!entry.rows) {
			entry.first_ns = last->last_ns;
			entry.last_ns = last->last_ns;
		}
	} else {
		entry.offset = 0;
		entry.first_row = 0;
		entry.first_object = 0;
	}
	index->entries[index->n_entries++] = entry;
	return 0;
}

void index_fini(struct index *index)
{
	free(index->entries);
	*index = (struct index){0};
}

void index_write(const struct index *index, struct bytes *content)
{
	uint8_t kind = FRAME_INDEX;
	uint64_t now = 0;

	bytes_add(content, &kind, 1);
	bytes_add_number(content, index->n_entries);
	for (size_t i = 0; i < index->n_entries; i++) {
		const struct index_entry *e = &index->entries[i];

		bytes_add(content, &e->kind, 1);
		bytes_add_number(content, e->bytes);
		bytes_add_number(content, e->content);
		if (e->kind != FRAME_EVENTS)
			continue;
		bytes_add_number(content, e->rows);
		bytes_add_number(content, e->objects);
		bytes_add_number(content, e->first_ns - now);
		bytes_add_number(content, e->last_ns - e->first_ns);
		now = e->last_ns;
	}
}

static int read_entry(struct index *index, struct window *w, uint64_t *now, uint64_t *left)
{
	const uint8_t *kind = window_bytes(w, 1);
	struct index_entry e = {.kind = kind ? *kind : 0};

	e.bytes = (uint32_t)window_number_max(w, FRAME_BYTES_MAX);
	e.content = (uint32_t)window_number_max(w, FRAME_CONTENT_MAX);
	if (e.kind == FRAME_EVENTS) {
		e.rows = (uint32_t)window_number_max(w, UINT32_MAX);
		e.objects = (uint32_t)window_number_max(w, e.rows);
		e.first_ns = *now + window_number_max(w, (uint64_t)INT64_MAX - *now);
		e.last_ns = e.first_ns + window_number_max(w, (uint64_t)INT64_MAX - e.first_ns);
		*now = e.last_ns;
		w->bad |= !e.rows;
	}
	/* No frame is shorter, so an index of many entries needs a large file. */
	if (w->bad || e.bytes < FRAME_BYTES_MIN || e.bytes > *left)
		return -EBADMSG;
	*left -= e.bytes;
	return index_add(index, e);
}

int index_read(struct index *index, struct window *w, uint64_t end)
{
	const uint8_t *kind = window_bytes(w, 1);
	uint64_t entries = window_number(w), now = 0;

	if (!kind || *kind != FRAME_INDEX || w->bad)
		return -EBADMSG;
	for (uint64_t i = 0; i < entries; i++) {
		int err = read_entry(index, w, &now, &end);

		if (err)
			return err;
	}
	return window_left(w) ? -EBADMSG : 0;
}

void index_wrap(const struct bytes *frame, struct bytes *out)
{
	uint8_t head[FRAME_SKIPPABLE_HEAD];

	frame_put_u32(head, FRAME_INDEX_MAGIC);
	frame_put_u32(head + 4, (uint32_t)frame->size);
	bytes_add(out, head, sizeof(head));
	bytes_add(out, frame->data, frame->size);
}

static void add_seek_entry(struct bytes *out, size_t bytes, uint32_t content)
{
	uint8_t entry[FRAME_SEEK_ENTRY];

	frame_put_u32(entry, (uint32_t)bytes);
	frame_put_u32(entry + 4, content);
	bytes_add(out, entry, sizeof(entry));
}

void index_seek_table(const struct index *index, size_t index_bytes, struct bytes *out)
{
	uint8_t head[FRAME_SKIPPABLE_HEAD], footer[FRAME_SEEK_FOOTER];

	frame_put_u32(head, FRAME_SEEK_TABLE_MAGIC);
	frame_put_u32(head + 4,
		      (uint32_t)(index_seek_table_bytes(index->n_entries) - FRAME_SKIPPABLE_HEAD));
	bytes_add(out, head, sizeof(head));
	for (size_t i = 0; i < index->n_entries; i++)
		add_seek_entry(out, index->entries[i].bytes, index->entries[i].content);
	add_seek_entry(out, index_bytes, 0);
	frame_put_u32(footer, (uint32_t)(index->n_entries + 1));
	footer[4] = 0; /* no checksums here: every frame has its own */
	frame_put_u32(footer + 5, FRAME_SEEK_FOOTER_MAGIC);
	bytes_add(out, footer, sizeof(footer));
}

uint64_t index_rows(const struct index *index)
{
	const struct index_entry *last;

	if (!index->n_entries)
		return 0;
	last = &index->entries[index->n_entries - 1];
	return last->first_row + last->rows;
}

uint64_t index_objects(const struct index *index)
{
	const struct index_entry *last;

	if (!index->n_entries)
		return 0;
	last = &index->entries[index->n_entries - 1];
	return last->first_object + last->objects;
}

uint64_t index_last_ns(const struct index *index)
{
	return index->n_entries ? index->entries[index->n_entries - 1].last_ns : 0;
}
