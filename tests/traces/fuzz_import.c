/*
 * Fuzzes the import of logs: lines of text through the parser, or calls made of bytes (few threads,
 * few addresses, so that they get into each other's way). Whatever the log, the resolver must make
 * a legal trace of it, with one row for each call.
 */
#include "traces/importer.h"
#include "traces/order.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct importer *const importers[4] = {&importer_android, &importer_logalloc,
						    &importer_malloclab, &importer_mtrace};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
	if (!holds)
		abort();
}

static struct logged_call call_of(const uint8_t *bytes)
{
	static const uint8_t kinds[] = {TRACE_MALLOC, TRACE_MALLOC,     TRACE_FREE,
					TRACE_FREE,   TRACE_REALLOC,    TRACE_MEMALIGN,
					TRACE_CALLOC, TRACE_THREAD_EXIT};

	struct logged_call call = {
		.kind = kinds[bytes[0] & 7],
		.site = TRACE_NO_SITE,
		.tid = bytes[0] >> 3 & 3,
		.addr = bytes[1] & 7,
		.time_ns = bytes[1] >> 6,
	};

	if (call.kind == TRACE_REALLOC)
		call.old_addr = bytes[1] >> 3 & 7;
	if (call.kind != TRACE_FREE && call.kind != TRACE_THREAD_EXIT)
		call.size = bytes[0] >> 5;
	return call;
}

static void read_calls(struct resolver *r, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 2 <= size; i += 2) {
		struct logged_call call = call_of(data + i);

		call.line = i;
		need(!resolver_call(r, &call));
	}
}

static void read_lines(struct resolver *r, const struct importer *importer, const uint8_t *data,
		       size_t size)
{
	char *text = strndup((const char *)data, size), *rest = text, *line;
	void *memory = calloc(1, importer->memory_bytes + 1);
	char note[IMPORTER_NOTE_BYTES] = "";

	need(text && memory);
	while ((line = strsep(&rest, "\n"))) {
		struct log_entry entry = {.call.site = TRACE_NO_SITE};
		const char *reason;
		int status = importer->line(memory, line, &entry, &reason);

		need(status > 0 || (status == 0) == !reason);
		if (status > 0)
			need(!resolver_call(r, &entry.call));
	}
	if (importer->end)
		need(importer->end(memory, note) == 0 || *note);
	free(memory);
	free(text);
}

/* Every row is legal; returns how many are calls. */
static uint64_t check(int fd)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *trace;
	struct order order;
	uint64_t calls = 0;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	need(!trace_open(&trace, path) && trace_complete(trace));
	need(!order_init(&order, trace));
	need(!trace_cursor_open(&cursor, trace, &(struct trace_range){.jobs = 1}));
	while (trace_cursor_next(cursor, &batch) > 0) {
		for (size_t i = 0; i < batch->rows; i++) {
			struct trace_event row = trace_batch_event(batch, i);

			need(!order_row(&order, &row));
			calls += row.kind < TRACE_MARKS;
		}
	}
	trace_cursor_close(cursor);
	order_fini(&order);
	trace_close(trace);
	return calls;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("trace", 0);
	struct resolver_counts counts;
	struct trace_totals totals;
	struct trace_writer *writer;
	struct resolver *r;

	need(fd >= 0 && !trace_writer_fdopen(&writer, dup(fd), "trace"));
	r = resolver_create(writer);
	need(r != NULL);
	if (size && data[0] & 1)
		read_calls(r, data + 1, size - 1);
	else if (size)
		read_lines(r, importers[data[0] >> 1 & 3], data + 1, size - 1);
	need(!resolver_finish(r, &totals));
	counts = *resolver_counts(r);
	resolver_destroy(r);
	need(!trace_writer_close(writer, &totals));
	need(check(fd) == counts.calls - counts.null_frees);
	close(fd);
	return 0;
}
