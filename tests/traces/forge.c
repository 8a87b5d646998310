#include "forge.h"

#include "traces/definition.h"
#include "traces/frame.h"

#include <stdio.h>
#include <stdlib.h>

const struct forge_block forge_tiny_block = {
	.rows = 2,
	.objects = 1,
	.first_ns = 1000,
	.span_ns = 1000,
	.operations = 2,
	.operation_bytes = 6,
	.table = "\x01\x00\x09\x05\x00\x02",
	.column =
		{
			{1, "\x00\x01", 2},
			{2, "\x04", 1},
			{3, "\x00", 1},
			{4, "\x02", 1},
			{5, "\xa1\x0f", 2},
			{7, "\x30", 1},
			{9, "\x02", 1},
		},
};

static void check(bool fine, const char *what)
{
	if (fine)
		return;
	fprintf(stderr, "forge: %s\n", what);
	exit(1);
}

struct forge_column *forge_column(struct forge_block *block, uint64_t number)
{
	for (int i = 0; i < FORGE_COLUMNS; i++) {
		if (block->column[i].number == number)
			return &block->column[i];
	}
	check(false, "no such column");
	return NULL;
}

void forge_frame(struct forge *f, const struct bytes *content)
{
	struct frame_maker *maker = frame_maker_create();
	struct index_entry entry = {.kind = content->size ? content->data[0] : 0,
				    .content = (uint32_t)content->size};
	struct bytes frame = {0};

	check(maker && !frame_make(maker, content, &frame), "cannot make a frame");
	entry.bytes = (uint32_t)frame.size;
	if (entry.kind == FRAME_EVENTS) {
		entry.rows = (uint32_t)f->rows;
		entry.objects = (uint32_t)f->objects;
		entry.first_ns = f->last_ns;
		entry.last_ns = f->last_ns;
	}
	check(!index_add(&f->index, entry), "out of memory");
	bytes_add(&f->file, frame.data, frame.size);
	bytes_free(&frame);
	frame_maker_destroy(maker);
}

void forge_header(struct forge *f, uint32_t version, uint32_t oldest, uint64_t features)
{
	struct bytes content = {0};
	uint8_t fixed[24] = "haktrace";

	frame_put_u32(fixed + 8, version);
	frame_put_u32(fixed + 12, oldest);
	frame_put_u32(fixed + 16, (uint32_t)features);
	frame_put_u32(fixed + 20, (uint32_t)(features >> 32));
	bytes_add(&content, fixed, sizeof(fixed));
	forge_frame(f, &content);
	bytes_free(&content);
}

void forge_definitions(struct forge *f)
{
	struct bytes content = {0};

	FORGE_ADD(&content, "d\x02\x24\x0eprogram\x12/bin/true\x08\x10\x0e\x08main\x00\x00");
	forge_frame(f, &content);
	bytes_free(&content);
}

void forge_block(struct forge *f, const struct forge_block *b)
{
	struct bytes content = {0};
	uint64_t columns = 0;

	FORGE_ADD(&content, "e");
	bytes_add_number(&content, b->rows);
	bytes_add_number(&content, b->first_row);
	bytes_add_number(&content, b->first_object);
	bytes_add_number(&content, b->objects);
	bytes_add_number(&content, b->first_ns);
	bytes_add_number(&content, b->span_ns);
	bytes_add_number(&content, b->operations);
	bytes_add(&content, b->table, b->operation_bytes);
	for (int i = 0; i < FORGE_COLUMNS; i++)
		columns += b->column[i].number != 0;
	bytes_add_number(&content, b->columns ? b->columns : columns);
	for (int i = 0; i < FORGE_COLUMNS; i++) {
		if (!b->column[i].number)
			continue;
		bytes_add_number(&content, b->column[i].number);
		bytes_add_number(&content,
				 b->column[i].claim ? b->column[i].claim : b->column[i].size);
	}
	for (int i = 0; i < FORGE_COLUMNS; i++) {
		bytes_add(&content, b->column[i].data, b->column[i].size);
	}
	f->rows = b->rows;
	f->objects = b->objects;
	f->last_ns = b->first_ns + b->span_ns;
	forge_frame(f, &content);
	f->index.entries[f->index.n_entries - 1].first_ns = b->first_ns;
	bytes_free(&content);
}

void forge_last(struct forge *f, uint64_t rows, uint64_t objects)
{
	struct bytes content = {0};

	FORGE_ADD(&content, "l");
	bytes_add_number(&content, rows);
	bytes_add_number(&content, objects);
	for (int i = 0; i < 3; i++)
		bytes_add_number(&content, 0);
	bytes_add_number(&content, 3000);
	forge_frame(f, &content);
	bytes_free(&content);
}

void forge_end_with(struct forge *f, const struct bytes *content)
{
	struct frame_maker *maker = frame_maker_create();
	struct bytes frame = {0}, end = {0};
	size_t size;

	check(maker && !frame_make(maker, content, &frame), "cannot make a frame");
	index_wrap(&frame, &end);
	size = end.size;
	index_seek_table(&f->index, size, &end);
	bytes_add(&f->file, end.data, end.size);
	bytes_free(&frame);
	bytes_free(&end);
	frame_maker_destroy(maker);
}

void forge_end(struct forge *f)
{
	struct bytes content = {0};

	index_write(&f->index, &content);
	forge_end_with(f, &content);
	bytes_free(&content);
}

void forge_close(struct forge *f)
{
	bytes_free(&f->file);
	index_fini(&f->index);
	*f = (struct forge){0};
}

void forge_write(struct forge *f, const char *path)
{
	forge_write_bytes(path, f->file.data, f->file.size);
	forge_close(f);
}

void forge_write_bytes(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	check(file && fwrite(data, 1, size, file) == size && !fclose(file), path);
}
