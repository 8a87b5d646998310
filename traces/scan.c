/* How the index of a trace is found: read from the file's end, or made from its frames. */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>

#define SCAN_BYTES ((size_t)1 << 20)
#define PEEK_BYTES 80 /* of a block: its kind and head */

/* The zstd frame inside the skippable one whose bytes are in raw. */
static int unwrap_index(struct trace *t, const struct bytes *raw, uint64_t offset, const char **why)
{
	struct bytes content = {0};
	struct window w;
	int err;

	*why = "damaged head of a skippable frame";
	if (frame_u32(raw->data) != FRAME_INDEX_MAGIC ||
	    frame_u32(raw->data + 4) != raw->size - FRAME_SKIPPABLE_HEAD)
		return -EBADMSG;
	err = frame_take(t->taker, raw->data + FRAME_SKIPPABLE_HEAD,
			 raw->size - FRAME_SKIPPABLE_HEAD, &content, why);
	if (!err) {
		w = (struct window){content.data, content.data + content.size, false};
		*why = "its entries are damaged";
		err = index_read(&t->index, &w, offset);
	}
	bytes_free(&content);
	return err;
}

/* The frames have to fill the file up to the index, from the header to the last frame. */
static bool index_fits(const struct index *index, uint64_t end)
{
	const struct index_entry *last;

	if (index->n_entries < 2 || index->entries[0].kind != FRAME_HEADER)
		return false;
	last = &index->entries[index->n_entries - 1];
	for (size_t i = 1; i + 1 < index->n_entries; i++) {
		if (index->entries[i].kind == FRAME_LAST)
			return false;
	}
	return last->kind == FRAME_LAST && last->offset + last->bytes == end;
}

static int read_index(struct trace *t, uint64_t offset, size_t size, const char **why)
{
	struct bytes raw = {0};
	int err;

	*why = "out of memory";
	if (!bytes_reserve(&raw, size))
		return -ENOMEM;
	err = frame_read(t->fd, offset, raw.data, size);
	raw.size = size;
	*why = "it cannot be read";
	if (!err)
		err = unwrap_index(t, &raw, offset, why);
	if (!err && !index_fits(&t->index, offset)) {
		*why = "it does not fit the file";
		err = -EBADMSG;
	}
	bytes_free(&raw);
	return err;
}

/* The seek table says the same as the index, entry by entry. */
static int check_seek_table(struct trace *t, uint64_t offset, size_t size, size_t index_bytes)
{
	struct bytes want = {0};
	uint8_t *have = malloc(size);
	int err = have ? frame_read(t->fd, offset, have, size) : -ENOMEM;

	if (!err) {
		index_seek_table(&t->index, index_bytes, &want);
		err = want.failed ? -ENOMEM : 0;
	}
	if (!err && (want.size != size || memcmp(want.data, have, size)))
		err = -EBADMSG;
	bytes_free(&want);
	free(have);
	return err;
}

int reader_find_index(struct trace *t)
{
	uint8_t tail[FRAME_SEEK_FOOTER], entry[FRAME_SEEK_ENTRY];
	const uint64_t file = t->file_bytes;
	uint64_t table, offset, size;
	const char *why;
	int err;

	if (file < FRAME_SEEK_FOOTER ||
	    frame_read(t->fd, file - FRAME_SEEK_FOOTER, tail, sizeof(tail)) ||
	    frame_u32(tail + 5) != FRAME_SEEK_FOOTER_MAGIC || !frame_u32(tail))
		return -ENODATA;
	table = index_seek_table_bytes((uint64_t)frame_u32(tail) - 1);
	if (tail[4] || table > file ||
	    frame_read(t->fd, file - FRAME_SEEK_FOOTER - FRAME_SEEK_ENTRY, entry, sizeof(entry)))
		return reader_fail(t, -EBADMSG, "the seek table at the end is damaged");
	offset = file - table; /* of the seek table */
	size = frame_u32(entry);
	if (size < FRAME_SKIPPABLE_HEAD || size > FRAME_BYTES_MAX || size > offset)
		return reader_fail(t, -EBADMSG, "the seek table at byte %llu is damaged",
				   (unsigned long long)offset);
	err = read_index(t, offset - size, (size_t)size, &why);
	if (err)
		return reader_fail(t, err, "the index at byte %llu: %s",
				   (unsigned long long)(offset - size), why);
	err = check_seek_table(t, offset, (size_t)table, (size_t)size);
	if (err)
		return reader_fail(t, err, "the seek table at byte %llu is damaged",
				   (unsigned long long)offset);
	return 0;
}

/* A part of the file in memory: frames are looked at where they lie, most of them without a read.
 */
struct scan {
	uint8_t *data;
	size_t room;
	size_t size;
	uint64_t offset; /* in the file, of data */
};

/* What is in memory from offset on. */
static const uint8_t *scan_data(const struct scan *s, uint64_t offset, size_t *size)
{
	if (offset < s->offset || offset - s->offset >= s->size) {
		*size = 0;
		return s->data;
	}
	*size = s->size - (size_t)(offset - s->offset);
	return s->data + (offset - s->offset);
}

/* Reads on, so that at least size bytes from offset on are in memory, or all up to the file's end.
 */
static int scan_fill(struct trace *t, struct scan *s, uint64_t offset, size_t size)
{
	uint64_t left = t->file_bytes - offset;
	const uint8_t *kept;
	size_t n_kept;

	if (size > left)
		size = (size_t)left;
	if (size > s->room) {
		uint8_t *data = realloc(s->data, size);

		if (!data)
			return -ENOMEM;
		s->data = data;
		s->room = size;
	}
	kept = scan_data(s, offset, &n_kept);
	if (n_kept >= size)
		return 0;
	if (n_kept)
		memmove(s->data, kept, n_kept);
	s->offset = offset;
	s->size = size;
	return frame_read(t->fd, offset + n_kept, s->data + n_kept, size - n_kept);
}

/*
 * Finds the frame at offset in memory, reading as much as it takes; -EAGAIN: the file ends inside
 * it, -EBADMSG with *why: it is no frame that may be here.
 */
static int scan_measure(struct trace *t, struct scan *s, uint64_t offset, const uint8_t **frame,
			uint64_t *bytes, const char **why)
{
	const uint64_t left = t->file_bytes - offset;
	size_t available, want = SCAN_BYTES;
	int err;

	for (;;) {
		*frame = scan_data(s, offset, &available);
		*why = "not a zstd frame";
		err = available ? frame_measure(*frame, available, bytes) : -EAGAIN;
		if (err != -EAGAIN)
			break;
		if (available == left)
			return -EAGAIN;
		*why = "too large a frame";
		if (available > FRAME_BYTES_MAX)
			return -EBADMSG;
		if (want <= available)
			want = 4 * available;
		err = scan_fill(t, s, offset, want);
		if (err)
			return err;
	}
	*why = err ? *why : "too large a frame";
	return !err && *bytes > FRAME_BYTES_MAX ? -EBADMSG : err;
}

/* The frame at offset, as an index entry; -EAGAIN: the file ends inside it. */
static int scan_frame(struct trace *t, struct scan *s, uint64_t offset, struct index_entry *entry,
		      const char **why)
{
	uint8_t peek[PEEK_BYTES + VARINT_MAX] = {0};
	struct block_head head;
	uint64_t bytes, content;
	size_t size = PEEK_BYTES;
	const uint8_t *frame;
	int err;

	err = scan_measure(t, s, offset, &frame, &bytes, why);
	if (err)
		return err;
	*entry = (struct index_entry){.bytes = (uint32_t)bytes};
	if (frame_u32(frame) != FRAME_ZSTD_MAGIC)
		return 0; /* FRAME_SKIPPABLE */
	err = frame_check(frame, (size_t)bytes, &content, why);
	if (!err)
		err = frame_peek(t->taker, frame, (size_t)bytes, peek, &size, why);
	if (err)
		return err;
	*why = "a frame without content";
	if (!size)
		return -EBADMSG;
	entry->kind = peek[0];
	if (entry->kind != FRAME_EVENTS)
		return 0;
	*why = "a damaged head of a block";
	if (!decoder_head(&(struct window){peek + 1, peek + size, false}, &head) ||
	    head.first_row != index_rows(&t->index) ||
	    head.first_object != index_objects(&t->index) ||
	    head.first_ns < index_last_ns(&t->index))
		return -EBADMSG;
	entry->rows = head.rows;
	entry->objects = (uint32_t)head.objects;
	entry->first_ns = head.first_ns;
	entry->last_ns = head.last_ns;
	return 0;
}

/* After the last whole frame: says how the file ends. */
static int scan_end(struct trace *t, uint64_t offset, int err, const char *why, bool ended)
{
	unsigned long long rows = index_rows(&t->index), at = offset;
	size_t frame = t->index.n_entries;

	if (err == -ENOMEM)
		return reader_fail(t, err, "out of memory");
	if (err == -EBADMSG)
		reader_fail(t, 0, "frame %zu at byte %llu: %s; %llu rows before it can be read",
			    frame, at, why, rows);
	else if (err && err != -EAGAIN)
		return reader_fail(t, err, "cannot read: %s", strerror(-err));
	else if (ended && t->error[0])
		return 0; /* the index or the seek table is damaged: that was said already */
	else if (ended)
		reader_fail(
			t, 0,
			"ends at byte %llu before the end of its index; all %llu rows can be read",
			(unsigned long long)t->file_bytes, rows);
	else if (err)
		reader_fail(t, 0,
			    "ends inside frame %zu at byte %llu; %llu rows before it can be read",
			    frame, at, rows);
	else
		reader_fail(t, 0, "ends at byte %llu without its last frame; %llu rows can be read",
			    at, rows);
	return t->index.n_entries ? 0 : -EBADMSG;
}

int reader_scan(struct trace *t)
{
	struct scan s = {0};
	const char *why = "";
	uint64_t offset = 0;
	bool ended = false;
	int err = 0;

	while (offset < t->file_bytes && !ended) {
		struct index_entry entry;

		err = scan_frame(t, &s, offset, &entry, &why);
		if (!err)
			err = index_add(&t->index, entry);
		if (err)
			break;
		ended = entry.kind == FRAME_LAST;
		offset += entry.bytes;
	}
	free(s.data);
	return scan_end(t, offset, err, why, ended);
}
