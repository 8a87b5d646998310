/* Traces cut at every byte and flipped in every byte: nothing crashes, nothing false is delivered.
 */
#include "check.h"

#include "traces/trace.h"

#include <fcntl.h>
#include <string.h>

#define GOLDEN    "traces/golden/"
#define ROWS_MAX  2000
#define BYTES_MAX 65536

static uint8_t file[BYTES_MAX];
static size_t file_bytes;
static uint64_t digests[ROWS_MAX + 1]; /* of the first n rows */
static size_t all_rows;

static uint64_t digest(uint64_t sum, const struct trace_event *e)
{
	const uint64_t fields[] = {e->time_ns, e->size,   e->align, e->object, e->old_object,
				   e->addr,    e->thread, e->site,  e->kind,   e->flags};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		sum = (sum ^ fields[i]) * 0x100000001b3u + 1;
	return sum;
}

/* Everything that can be read of check_path: *rows of them, whether it is whole and undamaged. */
static bool read_all(size_t *rows, bool first)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	uint64_t sum = 0;
	struct trace *t;
	bool fine;
	int more;

	*rows = 0;
	if (trace_open(&t, check_path)) {
		assert_non_null(strstr(trace_error(t), check_path));
		trace_close(t);
		return false;
	}
	fine = trace_complete(t);
	assert_int_equal(trace_cursor_open(&cursor, t, &(struct trace_range){.jobs = 1}), 0);
	while ((more = trace_cursor_next(cursor, &batch)) == 1) {
		for (size_t i = 0; i < batch->rows; i++) {
			struct trace_event event = trace_batch_event(batch, i);

			sum = digest(sum, &event);
			++*rows;
			assert_true(*rows <= ROWS_MAX);
			if (first)
				digests[*rows] = sum;
		}
	}
	if (more || !fine)
		assert_true(strlen(trace_error(t)) > strlen(check_path) + 10);
	else
		assert_string_equal(trace_error(t), "");
	if (!more)
		assert_int_equal(*rows, trace_rows(t));
	assert_true(sum == digests[*rows]);
	trace_cursor_close(cursor);
	trace_close(t);
	return fine && !more;
}

static void write_file(void)
{
	FILE *out = fopen(check_path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(file, 1, file_bytes, out), file_bytes);
	fclose(out);
}

static void load(const char *path)
{
	FILE *in = fopen(path, "rb");

	assert_non_null(in);
	file_bytes = fread(file, 1, sizeof(file), in);
	fclose(in);
	write_file();
	assert_true(read_all(&all_rows, true));
}

static void check_cuts(const char *path)
{
	size_t rows, last_rows;

	load(path);
	last_rows = all_rows;
	for (size_t size = file_bytes; size--;) {
		assert_int_equal(truncate(check_path, (off_t)size), 0);
		assert_false(read_all(&rows, false));
		assert_true(rows <= last_rows);
		last_rows = rows;
	}
	assert_int_equal(last_rows, 0);
}

/*
 * Every flipped bit is noticed, except that compressed data may have a few, at most `idle`, that
 * mean nothing to the decompressor.
 */
static void check_flips(const char *path, unsigned step, size_t idle)
{
	size_t unnoticed = 0;
	int fd;

	load(path);
	fd = open(check_path, O_WRONLY);
	assert_true(fd >= 0);
	for (size_t bit = 0; bit < file_bytes * 8; bit += step) {
		uint8_t flipped = file[bit / 8] ^ (uint8_t)(1 << bit % 8);
		size_t rows;

		assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
		if (read_all(&rows, false)) {
			assert_int_equal(rows, all_rows);
			unnoticed++;
		}
		assert_int_equal(pwrite(fd, &file[bit / 8], 1, (off_t)(bit / 8)), 1);
	}
	close(fd);
	assert_true(unnoticed <= idle);
}

static void test_cuts(void **state)
{
	(void)state;
	check_cuts(GOLDEN "tiny.zst");
	check_cuts(GOLDEN "every.zst");
	check_cuts(GOLDEN "later.zst");
}

static void test_flips(void **state)
{
	(void)state;
	check_flips(GOLDEN "tiny.zst", 1, 0);
	check_flips(GOLDEN "later.zst", 1, 0);
	check_flips(GOLDEN "every.zst", 5, 10);
}

/* Bytes behind the end, or in front of it, are damage too. */
static void test_more_bytes(void **state)
{
	size_t rows;

	(void)state;
	load(GOLDEN "tiny.zst");
	file[file_bytes++] = 0;
	write_file();
	assert_false(read_all(&rows, false));
	assert_int_equal(rows, all_rows);
	file_bytes--;
	memmove(file + 4, file, file_bytes);
	file_bytes += 4;
	write_file();
	assert_false(read_all(&rows, false));
	assert_int_equal(rows, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_more_bytes),
	};

	return cmocka_run_group_tests(tests, check_make, check_remove);
}
