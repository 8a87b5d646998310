/* Cursors: ranges, several at once, early ends, and what remains of their helpers. */
#include "check.h"
#include "rowgen.h"

#include "traces/cursor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#define BLOCKS          40
#define BLOCK_ROWS_HERE 1000

/* Blocks of 1000 rows; row n of the trace is at time 10 n. */
static int make_trace(void **state)
{
	const struct trace_thread thread = {1, "main", 0, TRACE_NONE};
	struct trace_writer *w;
	int err = check_make(state) || trace_writer_open(&w, check_path) ||
		  trace_writer_thread(w, &thread);

	for (uint64_t i = 0; i < BLOCKS * BLOCK_ROWS_HERE && !err; i++) {
		struct trace_event event = {.kind = TRACE_MALLOC,
					    .time_ns = 10 * i,
					    .size = i,
					    .object = i,
					    .old_object = TRACE_NONE,
					    .site = TRACE_NO_SITE};

		err = trace_writer_event(w, &event);
		if (i % BLOCK_ROWS_HERE == BLOCK_ROWS_HERE - 1)
			err |= trace_writer_flush(w);
	}
	return err || trace_writer_close(w, &(struct trace_totals){0});
}

static struct trace *open_trace(void)
{
	struct trace *t;

	assert_int_equal(trace_open(&t, check_path), 0);
	return t;
}

static void check_range(uint64_t from_ns, uint64_t to_ns, uint64_t first_block, uint64_t blocks)
{
	struct trace_range range = {from_ns, to_ns, 2};
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *t = open_trace();

	assert_int_equal(trace_cursor_open(&cursor, t, &range), 0);
	for (uint64_t i = 0; i < blocks; i++) {
		assert_int_equal(trace_cursor_next(cursor, &batch), 1);
		assert_int_equal(batch->rows, BLOCK_ROWS_HERE);
		assert_int_equal(batch->first_row, (first_block + i) * BLOCK_ROWS_HERE);
		assert_int_equal(batch->object[7], batch->first_row + 7);
		assert_null(batch->addr);
	}
	assert_int_equal(trace_cursor_next(cursor, &batch), 0);
	assert_int_equal(trace_cursor_next(cursor, &batch), 0);
	assert_null(batch);
	trace_cursor_close(cursor);
	trace_close(t);
}

static void test_ranges(void **state)
{
	(void)state;
	check_range(0, 0, 0, BLOCKS);
	check_range(0, 1, 0, 1);
	check_range(0, 10000, 0, 1);
	check_range(0, 10001, 0, 2);
	check_range(9990, 9991, 0, 1);
	check_range(9991, 9999, 0, 0); /* between the blocks */
	check_range(9991, 10001, 1, 1);
	check_range(25000, 45000, 2, 3);
	check_range(399990, 0, BLOCKS - 1, 1);
	check_range(399991, 0, 0, 0);
}

static size_t count_threads(void)
{
	DIR *folder = opendir("/proc/self/task");
	size_t n = 0;

	assert_non_null(folder);
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

static void test_early_close_ends_helpers(void **state)
{
	size_t threads = count_threads();
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *t = open_trace();

	(void)state;
	for (int taken = 0; taken < 5; taken++) {
		struct trace_range range = {.jobs = 4};

		assert_int_equal(trace_cursor_open(&cursor, t, &range), 0);
		for (int i = 0; i < taken; i++)
			assert_int_equal(trace_cursor_next(cursor, &batch), 1);
		trace_cursor_close(cursor);
	}
	/* The kernel may still list a thread for a moment after it was joined. */
	for (int i = 0; i < 1000 && count_threads() != threads; i++)
		usleep(1000);
	assert_int_equal(count_threads(), threads);
	trace_close(t);
}

static void *read_by_itself(void *argument)
{
	struct trace_range range = {.jobs = 2};
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	uint64_t rows = 0;

	if (trace_cursor_open(&cursor, argument, &range))
		return NULL;
	while (trace_cursor_next(cursor, &batch) == 1)
		rows += batch->rows;
	trace_cursor_close(cursor);
	return (void *)(uintptr_t)rows;
}

static void test_cursors_of_many_threads(void **state)
{
	struct trace *t = open_trace();
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_by_itself, t), 0);
	for (int i = 0; i < 4; i++) {
		void *rows;

		assert_int_equal(pthread_join(threads[i], &rows), 0);
		assert_int_equal((uintptr_t)rows, BLOCKS * BLOCK_ROWS_HERE);
	}
	trace_close(t);
}

static void test_taken_rows_outlive_all(void **state)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *t = open_trace();
	struct rows taken[3];

	(void)state;
	assert_int_equal(trace_cursor_open(&cursor, t, &(struct trace_range){.jobs = 2}), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(trace_cursor_next(cursor, &batch), 1);
		cursor_take(cursor, &taken[i]);
	}
	assert_int_equal(trace_cursor_next(cursor, &batch), 1);
	trace_cursor_close(cursor);
	trace_close(t);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(taken[i].batch.size[5], i * BLOCK_ROWS_HERE + 5);
		rows_fini(&taken[i]);
	}
}

/* Damage in block 20: every cursor delivers 20 blocks, then the error, again and again. */
static void test_damage_between(void **state)
{
	uint8_t byte = 0;
	int fd = open(check_path, O_RDWR);
	struct trace *t = open_trace();
	off_t middle = (off_t)trace_file_bytes(t) / 2;

	(void)state;
	assert_int_equal(pread(fd, &byte, 1, middle), 1);
	byte ^= 0xff;
	assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
	for (unsigned jobs = 1; jobs < 5; jobs++) {
		struct trace_range range = {.jobs = jobs};
		const struct trace_batch *batch;
		struct trace_cursor *cursor;
		uint64_t rows = 0;
		int more;

		assert_int_equal(trace_cursor_open(&cursor, t, &range), 0);
		while ((more = trace_cursor_next(cursor, &batch)) == 1)
			rows += batch->rows;
		assert_int_equal(more, -EBADMSG);
		assert_int_equal(trace_cursor_next(cursor, &batch), -EBADMSG);
		assert_true(rows && rows < BLOCKS * BLOCK_ROWS_HERE);
		assert_non_null(strstr(trace_error(t), ": block "));
		trace_cursor_close(cursor);
	}
	byte ^= 0xff;
	assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
	close(fd);
	trace_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_early_close_ends_helpers),
		cmocka_unit_test(test_cursors_of_many_threads),
		cmocka_unit_test(test_taken_rows_outlive_all),
		cmocka_unit_test(test_damage_between),
	};

	return cmocka_run_group_tests(tests, make_trace, check_remove);
}
