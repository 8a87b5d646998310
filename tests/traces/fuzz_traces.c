/*
 * Fuzzes the reader. An input that begins like a zstd file is a trace; any other is a list of
 * contents, each behind its length in two bytes, that get sound frames around them, since no fuzzer
 * guesses a checksum: the last one as the index when its first byte says so.
 */
#include "forge.h"

#include "traces/frame.h"
#include "traces/trace.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything that a reader may touch is touched. */
static uint64_t touch(const struct trace_batch *batch)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < batch->rows; i++) {
		struct trace_event e = trace_batch_event(batch, i);

		if (!trace_kind_name(e.kind))
			abort();
		sum += e.time_ns + e.size + e.align + e.object + e.old_object + e.addr + e.thread +
		       e.site + e.kind + e.flags;
	}
	return sum;
}

static void read_trace(int fd)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	volatile uint64_t sum = 0;
	struct trace *t;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!trace_open(&t, path)) {
		const struct trace_site *sites;
		size_t n = trace_sites(t, &sites);

		for (size_t i = 0; i < n; i++)
			sum += trace_site_key(t, (uint32_t)i);
		if (!trace_cursor_open(&cursor, t, &(struct trace_range){.jobs = 1})) {
			while (trace_cursor_next(cursor, &batch) == 1)
				sum += touch(batch);
		}
		trace_cursor_close(cursor);
	} else if (!*trace_error(t)) {
		abort(); /* an error without a sentence */
	}
	trace_close(t);
}

/* The frames of the contents; the index, if there is one, as it was given. */
static void forge_contents(struct forge *f, const uint8_t *data, size_t size)
{
	while (size > 2) {
		size_t length = data[0] | (size_t)data[1] << 8;
		struct bytes content = {0};

		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		bytes_add(&content, data, length);
		data += length;
		size -= length;
		if (content.size && content.data[0] == FRAME_INDEX && size <= 2)
			forge_end_with(f, &content);
		else
			forge_frame(f, &content);
		bytes_free(&content);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct forge f = {0};

	if (fd < 0)
		fd = memfd_create("trace", MFD_CLOEXEC);
	if (size >= 4 && frame_u32(data) == FRAME_ZSTD_MAGIC)
		bytes_add(&f.file, data, size);
	else
		forge_contents(&f, data, size);
	if (ftruncate(fd, 0) || pwrite(fd, f.file.data, f.file.size, 0) != (ssize_t)f.file.size)
		abort();
	read_trace(fd);
	forge_close(&f);
	return 0;
}
