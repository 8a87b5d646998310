/*
 * Makes traces frame by frame, without the writer: damaged ones, and ones of later versions. What
 * it knows of the format it has from FORMAT.md.
 */
#ifndef FORGE_H
#define FORGE_H

#include "traces/bytes.h"
#include "traces/index.h"

#define FORGE_COLUMNS 12

/* A string constant as its address and its size, zeros in it included. */
#define FORGE_TEXT(text)       (text), sizeof(text) - 1
#define FORGE_ADD(bytes, text) bytes_add(bytes, FORGE_TEXT(text))

struct forge_column {
	uint64_t number; /* 0: no column */
	const char *data;
	uint64_t size;
	uint64_t claim; /* the size that the directory says; 0: the true one */
};

/* A block, as it will be in the file, right or wrong. */
struct forge_block {
	uint64_t rows, first_row, first_object, objects, first_ns, span_ns;
	uint64_t operations;
	uint64_t operation_bytes;
	const char *table; /* kind, flags, fields of each operation */
	uint64_t columns;  /* what the directory claims; 0: as many as there are */
	struct forge_column column[FORGE_COLUMNS];
};

/* The block of the tiny trace: malloc(24) at 1000 ns, freed at 2000 ns, both by thread 0. */
extern const struct forge_block forge_tiny_block;

struct forge {
	struct bytes file;
	struct index index;
	uint64_t rows, objects, last_ns;
};

/* The column of that number in the block; one that is free for number 0. */
struct forge_column *forge_column(struct forge_block *block, uint64_t number);

/* Appends a frame with this content; the index is told the truth about the frame's place. */
void forge_frame(struct forge *f, const struct bytes *content);
void forge_header(struct forge *f, uint32_t version, uint32_t oldest, uint64_t features);
void forge_definitions(struct forge *f); /* as the tiny trace's: one fact, one thread */
void forge_block(struct forge *f, const struct forge_block *block);
void forge_last(struct forge *f, uint64_t rows, uint64_t objects);
void forge_end(struct forge *f);                                   /* index and seek table */
void forge_end_with(struct forge *f, const struct bytes *content); /* index of this content */
void forge_write(struct forge *f, const char *path);               /* and closes it */
void forge_close(struct forge *f);

/* A file of these bytes. */
void forge_write_bytes(const char *path, const void *data, size_t size);

#endif
