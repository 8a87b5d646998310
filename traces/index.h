/*
 * The index of a trace: what each frame is, where it is, and which rows and times it holds. A whole
 * trace has it behind its last frame; for one cut short it is made by scanning.
 */
#ifndef INDEX_H
#define INDEX_H

#include "bytes.h"
#include "frame.h"

struct index_entry {
	uint64_t offset;
	uint32_t bytes;   /* of the frame in the file */
	uint32_t content; /* bytes of its content */
	uint32_t rows;    /* this and all below: 0 unless kind is FRAME_EVENTS */
	uint32_t objects; /* born in these rows */
	uint64_t first_row;
	uint64_t first_object;
	uint64_t first_ns; /* of the rows; of frames without rows the time before them */
	uint64_t last_ns;
	uint8_t kind;
};

struct index {
	struct index_entry *entries;
	size_t n_entries;
	size_t capacity;
};

/* Appends a frame; offset, first_row and first_object follow from the one before. 0 or -ENOMEM. */
int index_add(struct index *index, struct index_entry entry);
void index_fini(struct index *index);

/* The index as the content of its frame, and back; -EBADMSG: damaged, or frames behind byte end. */
void index_write(const struct index *index, struct bytes *content);
int index_read(struct index *index, struct window *w, uint64_t end);

/*
 * The skippable frame around the index's zstd frame, and the seek table: entries for all frames and
 * for the index itself.
 */
void index_wrap(const struct bytes *frame, struct bytes *out);
void index_seek_table(const struct index *index, size_t index_bytes, struct bytes *out);

/* Bytes of the seek table of a file with so many entries in its index. */
static inline uint64_t index_seek_table_bytes(uint64_t entries)
{
	return FRAME_SKIPPABLE_HEAD + (entries + 1) * FRAME_SEEK_ENTRY + FRAME_SEEK_FOOTER;
}

/* Rows and objects of all blocks. */
uint64_t index_rows(const struct index *index);
uint64_t index_objects(const struct index *index);
uint64_t index_last_ns(const struct index *index);

#endif
