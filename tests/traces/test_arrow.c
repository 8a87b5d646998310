/* The Arrow streams, against what the cursor and the tables say; run under sanitizers for leaks. */
#include "rowgen.h"
#include "traces/arrow.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROWS = 100000, SITES = 50, THREADS = 7, MARKS = 5 };

static char path[] = "/tmp/test_arrow.XXXXXX";

static void write_trace(bool addresses, size_t rows)
{
	struct rowgen g = {.state = 1,
			   .threads = THREADS,
			   .sites = SITES,
			   .marks = MARKS,
			   .addresses = addresses};
	const struct trace_frame frames[] = {{0, 16}, {TRACE_NO_MODULE, 0x7fff0000}};
	const struct trace_stack stack = {1, 2, frames};
	const struct trace_thread gone = {1003, "gone", 3, 99};
	const struct trace_totals totals = {.duration_ns = 1};
	struct trace_writer *w;

	assert_int_equal(trace_writer_open(&w, path), 0);
	rowgen_define(&g, w);
	assert_int_equal(trace_writer_fact(w, "program", "/usr/bin/example"), 0);
	assert_int_equal(trace_writer_fact(w, "pid", "42"), 0);
	assert_int_equal(trace_writer_stack(w, &stack), 0);
	assert_int_equal(trace_writer_samples(w, 0, 3, 4), 0);
	assert_int_equal(trace_writer_thread_update(w, 3, &gone), 0);
	for (size_t i = 0; i < rows; i++) {
		struct trace_event event = rowgen_next(&g);

		assert_int_equal(trace_writer_event(w, &event), 0);
	}
	assert_int_equal(trace_writer_close(w, &totals), 0);
}

static struct trace *open_trace(void)
{
	struct trace *trace;

	assert_int_equal(trace_open(&trace, path), 0);
	return trace;
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

/* "name:format" of each column, and its dictionary's. */
static void assert_schema(struct ArrowArrayStream *stream, const char *expected)
{
	struct ArrowSchema schema;
	char text[512] = "";

	assert_int_equal(stream->get_schema(stream, &schema), 0);
	assert_string_equal(schema.format, "+s");
	for (int64_t i = 0; i < schema.n_children; i++) {
		const struct ArrowSchema *child = schema.children[i];

		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%s%s%s",
			 i ? " " : "", child->name, child->format,
			 child->dictionary ? child->dictionary->format : "",
			 child->flags & ARROW_FLAG_NULLABLE ? "?" : "");
	}
	assert_string_equal(text, expected);
	schema.release(&schema);
	assert_null(schema.release);
}

static const void *values(const struct ArrowArray *batch, int column)
{
	return batch->children[column]->buffers[1];
}

/* Whether the text in one row of a large utf8 array is this one. */
static bool has_text(const struct ArrowArray *array, int64_t row, const char *text)
{
	const int64_t *offsets = array->buffers[1];
	const char *bytes = array->buffers[2];

	return offsets[row + 1] - offsets[row] == (int64_t)strlen(text) &&
	       !memcmp(bytes + offsets[row], text, strlen(text));
}

static bool is_null(const struct ArrowArray *array, int64_t row)
{
	const uint8_t *validity = array->buffers[0];

	return validity && !(validity[row / 8] >> row % 8 & 1);
}

static const char *table(struct trace *trace,
			 int (*open)(struct trace *, struct ArrowArrayStream *),
			 struct ArrowArrayStream *stream, struct ArrowArray *batch)
{
	struct ArrowArray end;

	assert_int_equal(open(trace, stream), 0);
	assert_int_equal(stream->get_next(stream, batch), 0);
	assert_non_null(batch->release);
	assert_int_equal(stream->get_next(stream, &end), 0);
	assert_null(end.release);
	return stream->get_last_error(stream);
}

static void drop(struct ArrowArrayStream *stream, struct ArrowArray *batch)
{
	stream->release(stream);
	assert_null(stream->release);
	batch->release(batch);
	assert_null(batch->release);
}

/* ---- events ---- */

/* The batches' rows are the cursor's rows, less the marks. */
static void compare_events(struct trace *trace, bool addresses)
{
	struct ArrowArrayStream stream;
	struct trace_cursor *cursor;
	const struct trace_batch *b;
	size_t total = 0;

	assert_int_equal(trace_arrow_events(trace, NULL, &stream), 0);
	assert_int_equal(trace_cursor_open(&cursor, trace, NULL), 0);
	while (trace_cursor_next(cursor, &b) > 0) {
		struct ArrowArray a;
		int64_t row = 0;

		assert_int_equal(stream.get_next(&stream, &a), 0);
		assert_non_null(a.release);
		assert_int_equal(a.n_children, addresses ? 10 : 9);
		for (size_t i = 0; i < b->rows; i++) {
			const struct ArrowArray *kinds = a.children[2];

			if (b->kind[i] >= TRACE_MARKS && b->kind[i] != TRACE_INHERITED)
				continue;
			assert_true(row < a.length);
			assert_int_equal(((const int64_t *)values(&a, 0))[row], b->time_ns[i]);
			assert_int_equal(((const uint32_t *)values(&a, 1))[row], b->thread[i]);
			assert_true(has_text(kinds->dictionary,
					     ((const int8_t *)values(&a, 2))[row],
					     trace_kind_name(b->kind[i])));
			assert_int_equal(((const uint64_t *)values(&a, 3))[row], b->size[i]);
			assert_int_equal(((const uint64_t *)values(&a, 4))[row], b->align[i]);
			assert_int_equal(((const uint64_t *)values(&a, 5))[row], b->object[i]);
			assert_int_equal(((const uint64_t *)values(&a, 6))[row], b->old_object[i]);
			assert_int_equal(((const uint32_t *)values(&a, 7))[row], b->site[i]);
			assert_int_equal(((const uint8_t *)values(&a, 8))[row], b->flags[i]);
			if (addresses)
				assert_int_equal(((const uint64_t *)values(&a, 9))[row],
						 b->addr[i]);
			row++;
		}
		assert_int_equal(row, a.length);
		total += (size_t)row;
		a.release(&a);
	}
	assert_true(total > ROWS / 2 && total < ROWS);
	trace_cursor_close(cursor);
	stream.release(&stream);
}

static void test_events(void **state)
{
	struct ArrowArrayStream stream;
	struct trace *trace;

	(void)state;
	write_trace(false, ROWS);
	trace = open_trace();
	assert_int_equal(trace_arrow_events(trace, NULL, &stream), 0);
	assert_schema(&stream, "time_ns:l thread:I kind:cU size:L align:L object:l old_object:l "
			       "site:i flags:C");
	stream.release(&stream);
	compare_events(trace, false);
	trace_close(trace);
}

static void test_events_with_addresses(void **state)
{
	struct trace *trace;

	(void)state;
	write_trace(true, ROWS);
	trace = open_trace();
	compare_events(trace, true);
	trace_close(trace);
}

static void test_kinds_are_distinct_names(void **state)
{
	struct ArrowArrayStream stream;
	struct trace *trace;
	struct ArrowArray a;
	const struct ArrowArray *names;

	(void)state;
	write_trace(false, 1000);
	trace = open_trace();
	assert_int_equal(trace_arrow_events(trace, NULL, &stream), 0);
	assert_int_equal(stream.get_next(&stream, &a), 0);
	names = a.children[2]->dictionary;
#define ONE(id, number, symbol, shape, name) +1
	assert_int_equal(names->length, TRACE_CALLS(ONE) + 1);
#undef ONE
	assert_true(has_text(names, 0, "malloc"));
	assert_true(has_text(names, names->length - 1, "inherited"));
	drop(&stream, &a);
	trace_close(trace);
}

/* Consumers may keep arrays, even one column, longer than stream and trace. */
static void test_columns_outlive_all(void **state)
{
	struct ArrowArrayStream stream;
	struct trace *trace;
	struct ArrowArray a, b, column;
	uint64_t sum = 0, again = 0;

	(void)state;
	write_trace(false, ROWS);
	trace = open_trace();
	assert_int_equal(trace_arrow_events(trace, NULL, &stream), 0);
	assert_int_equal(stream.get_next(&stream, &a), 0);
	assert_int_equal(stream.get_next(&stream, &b), 0);
	for (int64_t i = 0; i < a.length; i++)
		sum += ((const uint64_t *)values(&a, 3))[i];
	column = *a.children[3];
	a.children[3]->release = NULL; /* moved out */
	a.release(&a);
	stream.release(&stream);
	trace_close(trace);
	for (int64_t i = 0; i < column.length; i++)
		again += ((const uint64_t *)column.buffers[1])[i];
	assert_int_equal(sum, again);
	column.release(&column);
	assert_true(((const int64_t *)values(&b, 0))[b.length - 1] > 0);
	b.release(&b);
}

static void test_damage_is_told(void **state)
{
	struct ArrowArrayStream stream;
	struct trace *trace;
	struct ArrowArray a;
	unsigned char byte;
	int64_t rows = 0;
	int fd, status;

	(void)state;
	write_trace(false, ROWS);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, lseek(fd, 0, SEEK_END) / 2), 1);
	byte ^= 0x55;
	assert_int_equal(pwrite(fd, &byte, 1, lseek(fd, 0, SEEK_END) / 2), 1);
	close(fd);
	trace = open_trace();
	assert_int_equal(trace_arrow_events(trace, NULL, &stream), 0);
	while ((status = stream.get_next(&stream, &a)) == 0) {
		assert_non_null(a.release);
		rows += a.length;
		a.release(&a);
	}
	assert_int_equal(status, EBADMSG);
	assert_non_null(strstr(stream.get_last_error(&stream), path));
	assert_true(rows > ROWS / 4 && rows < ROWS * 3 / 4);
	stream.release(&stream);
	trace_close(trace);
}

static void test_no_rows(void **state)
{
	struct ArrowArrayStream stream;
	struct trace *trace;
	struct ArrowArray a;

	(void)state;
	write_trace(false, 0);
	trace = open_trace();
	assert_int_equal(trace_arrow_events(trace, NULL, &stream), 0);
	assert_schema(&stream, "time_ns:l thread:I kind:cU size:L align:L object:l old_object:l "
			       "site:i flags:C");
	assert_int_equal(stream.get_next(&stream, &a), 0);
	assert_null(a.release);
	stream.release(&stream);
	trace_close(trace);
}

/* ---- marks and tables ---- */

static void test_marks(void **state)
{
	struct ArrowArrayStream stream;
	struct trace *trace;
	struct trace_cursor *cursor;
	const struct trace_batch *b;
	struct ArrowArray a = {0};
	uint64_t events = 0, marks = 0;
	int64_t row = 0;

	(void)state;
	write_trace(false, ROWS);
	trace = open_trace();
	assert_int_equal(trace_arrow_marks(trace, &stream), 0);
	assert_schema(&stream, "time_ns:l thread:I kind:cU size:L text:U? event:L");
	assert_int_equal(trace_cursor_open(&cursor, trace, NULL), 0);
	while (trace_cursor_next(cursor, &b) > 0) {
		for (size_t i = 0; i < b->rows; i++) {
			bool user = b->kind[i] == TRACE_MARK;
			char text[16];

			if (b->kind[i] < TRACE_MARKS || b->kind[i] == TRACE_INHERITED) {
				events++;
				continue;
			}
			if (!a.release || row == a.length) {
				if (a.release)
					a.release(&a);
				assert_int_equal(stream.get_next(&stream, &a), 0);
				row = 0;
			}
			assert_int_equal(((const int64_t *)values(&a, 0))[row], b->time_ns[i]);
			assert_int_equal(((const uint32_t *)values(&a, 1))[row], b->thread[i]);
			assert_true(has_text(a.children[2]->dictionary,
					     ((const int8_t *)values(&a, 2))[row],
					     trace_kind_name(b->kind[i])));
			assert_int_equal(((const uint64_t *)values(&a, 3))[row],
					 user ? 0 : b->size[i]);
			snprintf(text, sizeof(text), "mark %d", (int)b->size[i]);
			assert_true(user ? has_text(a.children[4], row, text)
					 : is_null(a.children[4], row));
			assert_int_equal(((const uint64_t *)values(&a, 5))[row], events);
			row++;
			marks++;
		}
	}
	assert_true(marks > 100);
	assert_int_equal(row, a.length);
	if (a.release)
		a.release(&a);
	assert_int_equal(stream.get_next(&stream, &a), 0);
	assert_null(a.release);
	trace_cursor_close(cursor);
	stream.release(&stream);
	trace_close(trace);
}

static void test_threads(void **state)
{
	struct trace *trace = open_trace();
	struct ArrowArrayStream stream;
	struct ArrowArray a;

	(void)state;
	assert_null(table(trace, trace_arrow_threads, &stream, &a));
	assert_schema(&stream, "tid:L name:U start_ns:l exit_ns:l?");
	assert_int_equal(a.length, THREADS);
	assert_int_equal(((const uint64_t *)values(&a, 0))[6], 1006);
	assert_true(has_text(a.children[1], 6, "worker 6"));
	assert_true(has_text(a.children[1], 3, "gone"));
	assert_int_equal(((const int64_t *)values(&a, 3))[3], 99);
	assert_false(is_null(a.children[3], 3));
	assert_true(is_null(a.children[3], 6));
	assert_int_equal(a.children[3]->null_count, THREADS - 1);
	drop(&stream, &a);
	trace_close(trace);
}

static void test_modules_and_sites(void **state)
{
	struct trace *trace = open_trace();
	struct ArrowArrayStream stream;
	struct ArrowArray a;

	(void)state;
	table(trace, trace_arrow_modules, &stream, &a);
	assert_schema(&stream, "path:U build_id:U base_addr:L size_bytes:L");
	assert_int_equal(a.length, 1);
	assert_true(has_text(a.children[0], 0, "/usr/bin/example"));
	assert_true(has_text(a.children[1], 0, "0123456789abcdef"));
	assert_int_equal(((const uint64_t *)values(&a, 2))[0], 0x555555554000);
	drop(&stream, &a);

	table(trace, trace_arrow_sites, &stream, &a);
	assert_schema(&stream, "module:U? build_id:U? offset:L height:I key:L stack_samples:L "
			       "commonest_samples:L");
	assert_int_equal(a.length, SITES);
	assert_true(is_null(a.children[0], 5));
	assert_true(is_null(a.children[1], 5));
	assert_true(has_text(a.children[0], 6, "/usr/bin/example"));
	assert_int_equal(((const uint64_t *)values(&a, 2))[6], 0x1006);
	assert_int_equal(((const uint32_t *)values(&a, 3))[6], 96);
	assert_int_equal(((const uint64_t *)values(&a, 4))[6], trace_site_key(trace, 6));
	assert_int_equal(((const uint64_t *)values(&a, 5))[1], 4);
	assert_int_equal(((const uint64_t *)values(&a, 6))[1], 3);
	assert_int_equal(((const uint64_t *)values(&a, 5))[6], 0);
	drop(&stream, &a);
	trace_close(trace);
}

static void test_stacks_and_facts(void **state)
{
	struct trace *trace = open_trace();
	struct ArrowArrayStream stream;
	struct ArrowArray a;

	(void)state;
	table(trace, trace_arrow_stacks, &stream, &a);
	assert_schema(&stream, "site:I depth:I module:U? offset:L stack:I samples:L");
	assert_int_equal(a.length, 2);
	assert_int_equal(((const uint32_t *)values(&a, 0))[1], 1);
	assert_int_equal(((const uint32_t *)values(&a, 1))[1], 1);
	assert_true(has_text(a.children[2], 0, "/usr/bin/example"));
	assert_true(is_null(a.children[2], 1));
	assert_int_equal(((const uint64_t *)values(&a, 3))[1], 0x7fff0000);
	assert_int_equal(((const uint32_t *)values(&a, 4))[1], 0);
	assert_int_equal(((const uint64_t *)values(&a, 5))[1], 3);
	drop(&stream, &a);

	table(trace, trace_arrow_facts, &stream, &a);
	assert_schema(&stream, "key:U value:U");
	assert_int_equal(a.length, 2);
	assert_true(has_text(a.children[0], 0, "program"));
	assert_true(has_text(a.children[1], 1, "42"));
	drop(&stream, &a);
	trace_close(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_events_with_addresses),
		cmocka_unit_test(test_kinds_are_distinct_names),
		cmocka_unit_test(test_columns_outlive_all),
		cmocka_unit_test(test_damage_is_told),
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_modules_and_sites),
		cmocka_unit_test(test_stacks_and_facts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
