/* Whatever legal rows are written, the same rows are read. */
#include "rowgen.h"

#include "traces/kind.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the headers above before it. */
#include <cmocka.h>

static char path[] = "/tmp/test_trace_rows.XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void assert_event(const struct trace_event *got, const struct trace_event *want, size_t row)
{
	if (got->time_ns != want->time_ns || got->size != want->size || got->align != want->align ||
	    got->object != want->object || got->old_object != want->old_object ||
	    got->addr != want->addr || got->thread != want->thread || got->site != want->site ||
	    got->kind != want->kind || got->flags != want->flags)
		fail_msg("row %zu (%s) differs", row, trace_kind_name(want->kind));
}

static void write_rows(struct rowgen g, size_t rows, size_t flush)
{
	struct trace_totals totals = {.lost_events = 3, .duration_ns = UINT64_MAX};
	struct trace_writer *w;

	assert_int_equal(trace_writer_open(&w, path), 0);
	rowgen_define(&g, w);
	for (size_t i = 0; i < rows; i++) {
		struct trace_event event = rowgen_next(&g);

		if (trace_writer_event(w, &event))
			fail_msg("%s", trace_writer_error(w));
		if (flush && i % flush == flush - 1)
			assert_int_equal(trace_writer_flush(w), 0);
	}
	assert_int_equal(trace_writer_objects(w), g.objects);
	assert_int_equal(trace_writer_close(w, &totals), 0);
}

static void read_rows(struct rowgen g, size_t rows, unsigned jobs)
{
	struct trace_range range = {.jobs = jobs};
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *t;
	size_t row = 0;
	int more;

	if (trace_open(&t, path))
		fail_msg("%s", trace_error(t));
	assert_true(trace_complete(t));
	assert_int_equal(trace_rows(t), rows);
	assert_int_equal(trace_totals(t)->lost_events, 3);
	assert_int_equal(trace_totals(t)->duration_ns, UINT64_MAX);
	assert_int_equal(trace_cursor_open(&cursor, t, &range), 0);
	while ((more = trace_cursor_next(cursor, &batch)) == 1) {
		assert_int_equal(batch->first_row, row);
		for (size_t i = 0; i < batch->rows; i++, row++) {
			struct trace_event want = rowgen_next(&g);
			struct trace_event got = trace_batch_event(batch, i);

			assert_event(&got, &want, row);
		}
	}
	if (more)
		fail_msg("%s", trace_error(t));
	assert_int_equal(row, rows);
	trace_cursor_close(cursor);
	trace_close(t);
}

/* Whoever has zstd can check a trace, or see its contents. */
static void check_by_zstd(void)
{
	char command[128];

	snprintf(command, sizeof(command), "zstd -qt %s", path);
	assert_int_equal(system(command), 0);
}

static void round_trip(struct rowgen g, size_t rows, size_t flush)
{
	write_rows(g, rows, flush);
	check_by_zstd();
	read_rows(g, rows, 1);
	read_rows(g, rows, 3);
}

static void test_rows_of_every_kind(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		round_trip((struct rowgen){.state = seed * 77,
					   .threads = 1 + (uint32_t)seed * 40,
					   .sites = (uint32_t)seed * 1000,
					   .marks = 5,
					   .addresses = seed % 2,
					   .extremes = seed % 4 > 1},
			   20000 * (size_t)seed, seed == 5 ? 999 : 0);
}

/* Every legal kind with all its flags and fields: more than one block has room for. */
static void test_every_operation(void **state)
{
	struct rowgen g = {.threads = 1, .sites = 1, .marks = 1};
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace_writer *w;
	size_t rows = 0, row = 0;
	struct trace_event *want = calloc(128 * 1024, sizeof(*want));
	struct trace *t;

	(void)state;
	assert_non_null(want);
	assert_int_equal(trace_writer_open(&w, path), 0);
	rowgen_define(&g, w);
	for (unsigned i = 0; i < 128 * 1024; i++) {
		unsigned kind = i >> 10, flags = i & 15, fields = i >> 4 & 63;
		struct trace_event event = {
			.size = fields & FIELD_SIZE ? 1 + i : 0,
			.align = fields & FIELD_ALIGN ? 1 + i : 0,
			.object = fields & FIELD_OBJECT ? trace_writer_objects(w) : TRACE_NONE,
			.old_object = fields & FIELD_OLD ? 0 : TRACE_NONE,
			.addr = fields & FIELD_ADDR ? 1 + i : 0,
			.site = fields & FIELD_SITE ? 0 : TRACE_NO_SITE,
			.kind = (uint8_t)kind,
			.flags = (uint8_t)flags,
		};
		bool legal = !kind_illegal(kind, flags, fields);

		if (kind == TRACE_MARK && event.size)
			legal = false; /* of these texts there is but number 0 */
		assert_int_equal(trace_writer_event(w, &event), legal ? 0 : -EINVAL);
		if (legal)
			want[rows++] = event;
	}
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), 0);
	assert_int_equal(trace_open(&t, path), 0);
	assert_int_equal(trace_cursor_open(&cursor, t, NULL), 0);
	while (trace_cursor_next(cursor, &batch) == 1) {
		assert_true(batch->rows < 32768);
		for (size_t i = 0; i < batch->rows; i++, row++) {
			struct trace_event got = trace_batch_event(batch, i);

			assert_event(&got, &want[row], row);
		}
	}
	assert_int_equal(row, rows);
	assert_true(rows > 1000 && rows < 32768);
	trace_cursor_close(cursor);
	trace_close(t);
	free(want);
}

static void test_no_rows(void **state)
{
	(void)state;
	round_trip((struct rowgen){.state = 1, .threads = 1}, 0, 0);
}

static void test_one_row(void **state)
{
	(void)state;
	round_trip((struct rowgen){.state = 1, .threads = 1}, 1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_of_every_kind),
		cmocka_unit_test(test_every_operation),
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_one_row),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
