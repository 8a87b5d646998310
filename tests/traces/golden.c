/*
 * Makes the golden traces. `golden DIR` writes good ones into DIR, each with a text of what a
 * reader must find in it, and bad ones into DIR/bad, with verdicts.txt: what a reader must say of
 * each.
 */
#include "forge.h"
#include "rowgen.h"
#include "text.h"
#include "tiny.h"

#include "traces/frame.h"

#include <assert.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every kind and flag, addresses, extreme numbers, several blocks, definitions between them. */
static void make_every(const char *path)
{
	struct rowgen g = {.state = 5,
			   .threads = 40,
			   .sites = 100,
			   .marks = 3,
			   .addresses = true,
			   .extremes = true};
	const struct trace_totals totals = {1, 2, UINT64_MAX, 1ull << 62};
	const struct trace_frame frames[] = {{0, 0x10}, {0, 0x2345}, {TRACE_NO_MODULE, 1ull << 47}};
	const struct trace_stack stack = {1, 3, frames};
	const struct trace_thread renamed = {1003, "renamed \xc3\xa9", 3, 1ull << 40};
	struct trace_writer *w;
	int err = trace_writer_open(&w, path);

	err |= trace_writer_fact(w, "program", "/usr/bin/example");
	err |= trace_writer_fact(w, "exit_status", "?");
	rowgen_define(&g, w);
	for (int i = 0; i < 1200; i++) {
		struct trace_event event = rowgen_next(&g);

		err |= trace_writer_event(w, &event);
		if (i % 500 == 499)
			err |= trace_writer_flush(w);
	}
	err |= trace_writer_stack(w, &stack);
	err |= trace_writer_thread_update(w, 3, &renamed);
	err |= trace_writer_fact(w, "exit_status", "0");
	err |= trace_writer_close(w, &totals);
	assert(!err);
}

/* As a later version may write: what a reader of version 1 does not know, it must pass over. */
static void make_later(const char *path)
{
	struct forge_block block = forge_tiny_block;
	struct bytes content = {0};
	struct forge f = {0};

	forge_header(&f, 2, 1, 0);
	/* A fact with one more field, a record of another tag, a thread. */
	FORGE_ADD(&content, "d\x02\x28\x0eprogram\x12/bin/true\x02x");
	FORGE_ADD(&content, "\xf2\x06\x04\x02\x03\x08\x10\x0e\x08main\x00\x00");
	forge_frame(&f, &content);
	content.size = 0;
	FORGE_ADD(&content, "z a kind of frame that is not known");
	forge_frame(&f, &content);
	*forge_column(&block, 0) = (struct forge_column){77, "\x01\x02\x03", 3};
	forge_block(&f, &block);
	content.size = 0;
	FORGE_ADD(&content, "l\x04\x02\x00\x00\x00\xe1\x2e and more");
	forge_frame(&f, &content);
	forge_end(&f);
	forge_write(&f, path);
	bytes_free(&content);
}

static struct bytes slurp(const char *path)
{
	struct bytes all = {0};
	FILE *file = fopen(path, "rb");
	uint8_t part[4096];
	size_t got;

	assert(file);
	while ((got = fread(part, 1, sizeof(part), file)))
		bytes_add(&all, part, got);
	fclose(file);
	return all;
}

/* The beginning of a frame of a file, counted from 0. */
static size_t frame_place(const struct bytes *file, int number)
{
	size_t at = 0;

	while (number--) {
		uint64_t size;
		int err = frame_measure(file->data + at, file->size - at, &size);

		assert(!err);
		at += size;
	}
	return at;
}

/* The tiny trace's frames: header, definitions, block, last, index, seek table. */
static void make_cut(const struct bytes *tiny)
{
	static const struct {
		const char *name;
		int frame;
		int bytes; /* behind the frame's beginning */
	} cuts[] = {
		{"cut-in-magic.zst", 0, 2},       {"cut-in-header.zst", 0, 20},
		{"cut-after-header.zst", 1, 0},   {"cut-in-definitions.zst", 1, 9},
		{"cut-in-block.zst", 2, 30},      {"cut-after-block.zst", 3, 0},
		{"cut-in-last.zst", 3, 12},       {"cut-after-last.zst", 4, 0},
		{"cut-in-index.zst", 4, 20},      {"cut-after-index.zst", 5, 0},
		{"cut-in-seek-table.zst", 5, 33},
	};

	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++)
		forge_write_bytes(cuts[i].name, tiny->data,
				  frame_place(tiny, cuts[i].frame) + (size_t)cuts[i].bytes);
}

static void make_flipped(const struct bytes *tiny)
{
	static const struct {
		const char *name;
		int frame;
		int bytes;
	} flips[] = {
		{"flip-magic.zst", 0, 0},        {"flip-header.zst", 0, 15},
		{"flip-definitions.zst", 1, 20}, {"flip-block.zst", 2, 20},
		{"flip-block-head.zst", 2, 4},   {"flip-last.zst", 3, 10},
		{"flip-index.zst", 4, 21},       {"flip-index-head.zst", 4, 4},
		{"flip-seek-table.zst", 5, 10},  {"flip-seek-footer.zst", 5, 48},
	};

	for (size_t i = 0; i < sizeof(flips) / sizeof(*flips); i++) {
		size_t at = frame_place(tiny, flips[i].frame) + (size_t)flips[i].bytes;

		tiny->data[at] ^= 0x20;
		forge_write_bytes(flips[i].name, tiny->data, tiny->size);
		tiny->data[at] ^= 0x20;
	}
}

static void make_strange(void)
{
	struct bytes content = {0};
	struct forge f = {0};

	forge_write_bytes("empty.zst", "", 0);
	forge_write_bytes("text.zst", "malloc(24) = 0x1000\n", 20);
	FORGE_ADD(&content, "compressed, but by somebody else");
	forge_frame(&f, &content);
	forge_write(&f, "other.zst");
	content.size = 0;
	FORGE_ADD(&content, "haktrace");
	forge_frame(&f, &content);
	forge_write(&f, "short-header.zst");
	forge_header(&f, 9, 8, 0);
	forge_write(&f, "newer.zst");
	forge_header(&f, 1, 1, 4);
	forge_write(&f, "feature.zst");
	bytes_free(&content);
}

/* A whole trace around one block or one frame of definitions. */
static void make_around(const char *name, const struct forge_block *block, const char *definition,
			size_t size)
{
	struct forge f = {0};

	forge_header(&f, 1, 1, 0);
	forge_definitions(&f);
	if (definition) {
		struct bytes content = {0};

		bytes_add(&content, definition, size);
		forge_frame(&f, &content);
		bytes_free(&content);
	}
	forge_block(&f, block);
	forge_last(&f, block->rows, block->objects);
	forge_end(&f);
	forge_write(&f, name);
}

static void make_lying_columns(void)
{
	static const struct {
		const char *name;
		unsigned column;
		struct forge_column lie;
	} lies[] = {
		{"op-unknown.zst", 1, {1, "\x00\x02", 2}},
		{"op-short.zst", 1, {1, "\x00", 1}},
		{"op-objects.zst", 1, {1, "\x00\x00", 2}},
		{"run-long.zst", 2, {2, "\x06", 1}},
		{"run-zero.zst", 2, {2, "\x00", 1}},
		{"thread-undefined.zst", 3, {3, "\x02", 1}},
		{"gap-long.zst", 4, {4, "\x04", 1}},
		{"step-late.zst", 5, {5, "\xa5\x0f", 2}},
		{"step-early.zst", 5, {5, "\x9d\x0f", 2}},
		{"size-missing.zst", 7, {0}},
		{"size-long.zst", 7, {7, "\x30\x30", 2}},
		{"size-zero.zst", 7, {7, "\x00", 1}},
		{"size-cut.zst", 7, {7, "\xff", 1}},
		{"site-undefined.zst", 0, {6, "\x02", 1}},
		{"age-zero.zst", 9, {9, "\x00", 1}},
		{"age-old.zst", 9, {9, "\x04", 1}},
		{"column-twice.zst", 0, {9, "\x02", 1}},
		{"column-claim.zst", 9, {9, "\x02", 1, 1ull << 60}},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct forge_block block = forge_tiny_block;

		*forge_column(&block, lies[i].column) = lies[i].lie;
		if (lies[i].lie.number == 6)
			block.table = "\x01\x00\x0d\x05\x00\x02";
		make_around(lies[i].name, &block, NULL, 0);
	}
}

static void make_lying_operations(void)
{
	static const struct {
		const char *name;
		const char *table;
	} lies[] = {
		{"kind-unknown.zst", "\x0b\x00\x09\x05\x00\x02"},
		{"flag-unknown.zst", "\x01\x20\x09\x05\x00\x02"},
		{"field-unknown.zst", "\x01\x00\x49\x05\x00\x02"},
		{"malloc-moved.zst", "\x01\x02\x09\x05\x00\x02"},
		{"malloc-without-object.zst", "\x01\x00\x08\x05\x00\x02"},
		{"malloc-with-old-object.zst", "\x01\x00\x0b\x05\x00\x02"},
		{"free-failed.zst", "\x01\x00\x09\x05\x01\x02"},
		{"free-with-object.zst", "\x01\x00\x09\x05\x00\x03"},
		{"free-of-nothing.zst", "\x01\x00\x09\x05\x00\x00"},
		{"realloc-of-both.zst", "\x01\x00\x09\x03\x04\x03"},
		{"realloc-failed-with-object.zst", "\x01\x00\x09\x03\x01\x03"},
		{"realloc-without-object.zst", "\x01\x00\x09\x03\x00\x0a"},
		{"realloc-moved-from-nothing.zst", "\x01\x00\x09\x03\x02\x01"},
		{"mark-with-site.zst", "\x01\x00\x09\x40\x00\x04"},
		{"mark-failed.zst", "\x01\x00\x09\x40\x01\x00"},
		{"inherited-without-object.zst", "\x01\x00\x09\x42\x00\x00"},
		{"mark-undefined.zst", "\x01\x00\x09\x44\x00\x00"},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct forge_block block = forge_tiny_block;

		block.table = lies[i].table;
		if (block.table[3] == 0x44)
			forge_column(&block, 9)->number = 70; /* a mark has no age */
		make_around(lies[i].name, &block, NULL, 0);
	}
}

/* Pages of the freed object in the row of its birth, beyond the block, and twice for one row. */
static void make_lying_pages(void)
{
	static const struct {
		const char *name;
		uint64_t column;
		const char *data;
		uint64_t size;
	} lies[] = {
		{"born-of-none.zst", 11, "\x02\x02", 2},
		{"died-of-none.zst", 12, "\x00\x02", 2},
		{"died-late.zst", 12, "\x04\x02", 2},
		{"died-twice.zst", 12, "\x02\x02\x00\x02", 4},
		{"died-cut.zst", 12, "\x02", 1},
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct forge_block block = forge_tiny_block;

		*forge_column(&block, 0) =
			(struct forge_column){lies[i].column, lies[i].data, lies[i].size};
		make_around(lies[i].name, &block, NULL, 0);
	}
}

static void make_lying_heads(void)
{
	struct forge_block block = forge_tiny_block;

	block.rows = 0;
	make_around("rows-none.zst", &block, NULL, 0);
	block = forge_tiny_block;
	block.rows = 1ull << 40;
	make_around("rows-many.zst", &block, NULL, 0);
	block = forge_tiny_block;
	block.first_row = 1;
	make_around("rows-missing.zst", &block, NULL, 0);
	block = forge_tiny_block;
	block.span_ns = UINT64_MAX;
	make_around("time-overflow.zst", &block, NULL, 0);
	block = forge_tiny_block;
	block.operations = 300;
	make_around("operations-many.zst", &block, NULL, 0);
	block = forge_tiny_block;
	block.columns = 1ull << 50;
	make_around("columns-many.zst", &block, NULL, 0);
	block = forge_tiny_block;
	make_around("record-long.zst", &block,
		    FORGE_TEXT("d\x02\xff\xff\xff\xff\xff\xff\xff\xff\x0f"));
	make_around("record-cut.zst", &block, FORGE_TEXT("d\x02\x24\x0eprog"));
	make_around("fact-cut.zst", &block, FORGE_TEXT("d\x02\x0a\x0eprog"));
	make_around("fact-nul.zst", &block, FORGE_TEXT("d\x02\x0a\x04g\x00\x02x"));
	make_around("module-cut.zst", &block, FORGE_TEXT("d\x04\x08\x06lib"));
	make_around("site-module.zst", &block, FORGE_TEXT("d\x06\x06\x02\x00\x00"));
	make_around("thread-cut.zst", &block, FORGE_TEXT("d\x08\x02\x0e"));
	make_around("update-undefined.zst", &block, FORGE_TEXT("d\x0a\x0a\x02\x0e\x00\x00\x00"));
	make_around("stack-undefined.zst", &block, FORGE_TEXT("d\x0c\x08\x00\x02\x00\x00"));
	make_around("mark-cut.zst", &block, FORGE_TEXT("d\x0e\x02\x0e"));
	make_around("left-cut.zst", &block, FORGE_TEXT("d\x12\x02\x00"));
	make_around("samples-undefined.zst", &block, FORGE_TEXT("d\x10\x06\x00\x02\x02"));
}

/* A frame whose zstd head claims things. */
static void make_lying_frames(void)
{
	static const char huge[] =
		"\x28\xb5\x2f\xfd\xe4\x00\x00\x00\x00\x00\x00\x00\x40\x01\x00\x00"
		"\x00\x00\x00\x00";
	static const char bare[] = "\x28\xb5\x2f\xfd\x20\x01\x09\x00\x00"
				   "d";
	struct forge_block block = forge_tiny_block;
	struct forge f = {0};

	forge_header(&f, 1, 1, 0);
	bytes_add(&f.file, huge, sizeof(huge) - 1);
	forge_write(&f, "content-huge.zst");
	forge_header(&f, 1, 1, 0);
	bytes_add(&f.file, bare, sizeof(bare) - 1);
	forge_write(&f, "without-checksum.zst");
	forge_header(&f, 1, 1, 0);
	FORGE_ADD(&f.file, "\x50\x2a\x4d\x18\xff\xff\xff\xff");
	forge_write(&f, "skippable-huge.zst");
	forge_header(&f, 1, 1, 0);
	forge_definitions(&f);
	forge_block(&f, &block);
	forge_last(&f, 3, 1);
	forge_end(&f);
	forge_write(&f, "totals-wrong.zst");
	forge_header(&f, 1, 1, 0);
	forge_definitions(&f);
	forge_block(&f, &block);
	f.index.entries[2].rows = 3;
	forge_last(&f, 3, 1);
	forge_end(&f);
	forge_write(&f, "index-wrong.zst");
	forge_header(&f, 1, 1, 0);
	forge_definitions(&f);
	forge_block(&f, &block);
	f.index.entries[1].bytes += 4;
	forge_last(&f, 2, 1);
	forge_end(&f);
	forge_write(&f, "index-places.zst");
	forge_header(&f, 1, 1, 0);
	forge_last(&f, 0, 0);
	bytes_add(&f.file, "\x5e\x2a\x4d\x18\x09\x00\x00\x00\xff\xff\xff\xff\x00\xb1\xea\x92\x8f",
		  17);
	forge_write(&f, "seek-table-huge.zst");
}

static void print_texts(void)
{
	glob_t found;

	assert(!glob("*.zst", 0, NULL, &found));
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char name[256];
		struct trace *t;
		FILE *out;

		snprintf(name, sizeof(name), "%.*s.txt", (int)strlen(found.gl_pathv[i]) - 4,
			 found.gl_pathv[i]);
		out = fopen(name, "w");
		assert(out && !trace_open(&t, found.gl_pathv[i]) && !text_print(out, t, 1));
		trace_close(t);
		fclose(out);
	}
	globfree(&found);
}

static void print_verdicts(void)
{
	FILE *out = fopen("verdicts.txt", "w");
	glob_t found;

	assert(out && !glob("*.zst", 0, NULL, &found));
	for (size_t i = 0; i < found.gl_pathc; i++)
		text_verdict(out, found.gl_pathv[i], 1);
	globfree(&found);
	fclose(out);
}

/* The contents of a trace's frames, each behind its length in two bytes: what the fuzzer takes. */
static int print_contents(const char *path)
{
	struct frame_taker *taker = frame_taker_create();
	struct bytes file = slurp(path), content = {0};
	uint64_t size;

	for (size_t at = 0; at < file.size; at += size) {
		uint8_t length[4];
		const char *why;
		int err = frame_measure(file.data + at, file.size - at, &size);

		assert(!err);
		if (frame_u32(file.data + at) != FRAME_ZSTD_MAGIC)
			continue;
		err = frame_take(taker, file.data + at, size, &content, &why);
		assert(!err && content.size < 65536);
		frame_put_u32(length, (uint32_t)content.size);
		fwrite(length, 1, 2, stdout);
		fwrite(content.data, 1, content.size, stdout);
	}
	bytes_free(&file);
	bytes_free(&content);
	frame_taker_destroy(taker);
	return 0;
}

int main(int argc, char **argv)
{
	struct bytes tiny;
	int err;

	if (argc == 3 && !strcmp(argv[1], "--contents"))
		return print_contents(argv[2]);
	if (argc != 2 || chdir(argv[1])) {
		fprintf(stderr, "usage: golden DIRECTORY | golden --contents TRACE\n");
		return 2;
	}
	err = tiny_write("tiny.zst");
	assert(!err);
	make_every("every.zst");
	make_later("later.zst");
	print_texts();
	tiny = slurp("tiny.zst");
	if ((mkdir("bad", 0777) && errno != EEXIST) || chdir("bad"))
		return 1;
	make_cut(&tiny);
	make_flipped(&tiny);
	bytes_free(&tiny);
	make_strange();
	make_lying_columns();
	make_lying_operations();
	make_lying_heads();
	make_lying_pages();
	make_lying_frames();
	print_verdicts();
	return 0;
}
