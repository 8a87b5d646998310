/* What the writer refuses, and how it ends when it cannot write. */
#include "check.h"

#include "traces/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const struct trace_thread thread = {1, "main", 0, TRACE_NONE};

static struct trace_event birth(uint64_t object)
{
	return (struct trace_event){.kind = TRACE_MALLOC,
				    .size = 8 + object % 100,
				    .object = object,
				    .old_object = TRACE_NONE,
				    .site = TRACE_NO_SITE};
}

static struct trace_writer *open_writer(void)
{
	struct trace_writer *w;

	assert_int_equal(trace_writer_open(&w, check_path), 0);
	assert_int_equal(trace_writer_thread(w, &thread), 0);
	return w;
}

static void assert_refused(struct trace_writer *w, struct trace_event event, const char *reason)
{
	assert_int_equal(trace_writer_event(w, &event), -EINVAL);
	assert_non_null(strstr(trace_writer_error(w), reason));
}

static void test_refusals(void **state)
{
	struct trace_writer *w = open_writer();
	struct trace_event first = birth(0), event = first;

	(void)state;
	event.thread = 1;
	assert_refused(w, event, "row 0: its thread is not defined");
	event = first;
	event.site = 0;
	assert_refused(w, event, "its site is not defined");
	event = first;
	event.object = 1;
	assert_refused(w, event, "its object is not the next");
	event = first;
	event.object = TRACE_NONE;
	assert_refused(w, event, "has an object unless it failed");
	event = first;
	event.old_object = 0;
	assert_refused(w, event, "its old object is not born");
	event = first;
	event.kind = 0;
	assert_refused(w, event, "the kind is unknown");
	event.kind = 255;
	assert_refused(w, event, "its kind is unknown");
	event = first;
	event.flags = 16;
	assert_refused(w, event, "unknown flag");
	event = first;
	event.time_ns = 1ull << 63;
	assert_refused(w, event, "its time is above");
	event = (struct trace_event){.kind = TRACE_MARK,
				     .object = TRACE_NONE,
				     .old_object = TRACE_NONE,
				     .site = TRACE_NO_SITE};
	assert_refused(w, event, "its text is not defined");
	event = first;
	event.time_ns = 10;
	assert_int_equal(trace_writer_event(w, &event), 0);
	event = birth(1);
	event.time_ns = 9;
	assert_refused(w, event, "row 1: its time is before");
	assert_int_equal(trace_writer_objects(w), 1);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), 0);
}

static void test_refused_definitions(void **state)
{
	const struct trace_site site = {.module = 0};
	const struct trace_frame frame = {.module = 7};
	struct trace_stack stack = {.site = 0, .depth = 1, .frames = &frame};
	struct trace_writer *w = open_writer();
	char *large = malloc(5 << 20);

	(void)state;
	assert_int_equal(trace_writer_site(w, &site), -EINVAL);
	assert_int_equal(trace_writer_stack(w, &stack), -EINVAL);
	assert_int_equal(trace_writer_site(w, &(struct trace_site){TRACE_NO_MODULE, 0, 1}), 0);
	assert_int_equal(trace_writer_stack(w, &stack), -EINVAL);
	stack.depth = 0;
	assert_int_equal(trace_writer_stack(w, &stack), -EINVAL);
	assert_int_equal(trace_writer_samples(w, 0, 1, 1), -EINVAL);
	assert_int_equal(trace_writer_thread_update(w, 1, &thread), -EINVAL);
	assert_non_null(large);
	memset(large, 'x', 5 << 20);
	large[(5 << 20) - 1] = 0;
	assert_int_equal(trace_writer_fact(w, "command", large), -E2BIG);
	assert_non_null(strstr(trace_writer_error(w), "4 MiB"));
	free(large);
	/* None of it spoils the trace. */
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), 0);
}

/* What was said last of a stack's samples is read; nothing was said of the other stack. */
static void test_samples(void **state)
{
	const struct trace_frame frame = {TRACE_NO_MODULE, 1};
	const struct trace_stack stack = {.depth = 1, .frames = &frame}, *stacks;
	struct trace_writer *w = open_writer();
	struct trace *t;

	(void)state;
	assert_int_equal(trace_writer_site(w, &(struct trace_site){TRACE_NO_MODULE, 0, 1}), 0);
	assert_int_equal(trace_writer_stack(w, &stack), 0);
	assert_int_equal(trace_writer_stack(w, &stack), 1);
	assert_int_equal(trace_writer_samples(w, 1, 2, 3), 0);
	assert_int_equal(trace_writer_samples(w, 1, 5, 300), 0);
	assert_int_equal(trace_writer_samples(w, 2, 1, 1), -EINVAL);
	assert_int_equal(trace_writer_samples(w, 1, 0, 1), -EINVAL);
	assert_int_equal(trace_writer_samples(w, 1, 2, 1), -EINVAL);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), 0);
	assert_int_equal(trace_open(&t, check_path), 0);
	assert_int_equal(trace_stacks(t, &stacks), 2);
	assert_int_equal(stacks[0].samples, 0);
	assert_int_equal(stacks[0].site_samples, 0);
	assert_int_equal(stacks[1].samples, 5);
	assert_int_equal(stacks[1].site_samples, 300);
	trace_close(t);
}

/* Row and pages of the objects that are born, and of those that die, over several blocks. */
static void check_pages(struct trace *t, uint64_t rows)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	uint64_t row = 0;

	assert_int_equal(trace_cursor_open(&cursor, t, NULL), 0);
	while (trace_cursor_next(cursor, &batch) > 0)
		for (size_t i = 0; i < batch->rows; i++, row++) {
			struct trace_pages pages = trace_batch_pages(batch, i);

			assert_int_equal(pages.born, row % 3 ? TRACE_NONE : row);
			assert_int_equal(pages.died, row == 7 ? 1ull << 40 : TRACE_NONE);
		}
	assert_int_equal(row, rows);
	trace_cursor_close(cursor);
}

static void test_pages(void **state)
{
	struct trace_event event = birth(0);
	struct trace_writer *w = open_writer();
	const struct trace_left *lefts;
	struct trace *t;

	(void)state;
	event.time_ns = 0;
	for (uint64_t i = 0; i < 70000; i++) {
		struct trace_pages pages = {i % 3 ? TRACE_NONE : i, TRACE_NONE};

		event.object = i;
		event.old_object = i == 7 ? 3 : TRACE_NONE;
		event.kind = i == 7 ? TRACE_REALLOC : TRACE_MALLOC;
		pages.died = i == 7 ? 1ull << 40 : TRACE_NONE;
		assert_int_equal(trace_writer_event_pages(w, &event, &pages), 0);
	}
	event.object = 70000;
	event.kind = TRACE_MALLOC;
	event.old_object = TRACE_NONE;
	assert_int_equal(trace_writer_event_pages(w, &event, &(struct trace_pages){1, 1}), -EINVAL);
	assert_int_equal(trace_writer_left(w, 70000, 1), -EINVAL);
	assert_int_equal(trace_writer_left(w, 69999, 12), 0);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), 0);
	assert_int_equal(trace_open(&t, check_path), 0);
	check_pages(t, 70000);
	assert_int_equal(trace_lefts(t, &lefts), 1);
	assert_int_equal(lefts[0].object, 69999);
	assert_int_equal(lefts[0].pages, 12);
	trace_close(t);
}

/* What a reader would not take, the writer does not write. */
static void test_too_many_definitions(void **state)
{
	const struct trace_site site = {TRACE_NO_MODULE, 1, 1};
	const struct trace_frame frame = {TRACE_NO_MODULE, 1};
	struct trace_frame *frames = malloc(65536 * sizeof(*frames));
	struct trace_stack stack = {.depth = 65536, .frames = frames};
	struct trace_writer *w = open_writer();
	const struct trace_stack *stacks;
	char *text = malloc(1 << 20);
	struct trace *t;

	(void)state;
	assert_non_null(frames);
	assert_non_null(text);
	for (int i = 0; i < 65536; i++)
		frames[i] = frame;
	assert_int_equal(trace_writer_site(w, &site), 0);
	for (int i = 0; i < 256; i++)
		assert_int_equal(trace_writer_stack(w, &stack), i);
	stack.depth = 1;
	assert_int_equal(trace_writer_stack(w, &stack), -EOVERFLOW);
	assert_non_null(strstr(trace_writer_error(w), "too many frames"));
	memset(text, 'x', 1 << 20);
	text[(1 << 20) - 1] = 0;
	for (int i = 0; i < 127; i++)
		assert_int_equal(trace_writer_mark(w, text), i);
	assert_int_equal(trace_writer_fact(w, "f", text), -EOVERFLOW);
	assert_non_null(strstr(trace_writer_error(w), "too much text"));
	for (int i = 0; i < 4096; i++)
		assert_int_equal(trace_writer_fact(w, "f", "v"), 0);
	assert_int_equal(trace_writer_fact(w, "f", "v"), -EOVERFLOW);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), 0);
	assert_int_equal(trace_open(&t, check_path), 0);
	assert_true(trace_complete(t));
	assert_int_equal(trace_stacks(t, &stacks), 256);
	assert_int_equal(stacks[255].depth, 65536);
	assert_string_equal(trace_fact(t, "f"), "v");
	trace_close(t);
	free(frames);
	free(text);
}

static void test_cannot_open(void **state)
{
	struct trace_writer *w;

	(void)state;
	assert_int_equal(trace_writer_open(&w, "/nonexistent/trace.zst"), -ENOENT);
	assert_string_equal(trace_writer_error(w),
			    "/nonexistent/trace.zst: cannot open: No such file or directory");
	assert_int_equal(trace_writer_thread(w, &thread), -ENOENT);
	assert_int_equal(trace_writer_close(w, NULL), -ENOENT);
}

static void test_full_device(void **state)
{
	struct trace_writer *w;

	(void)state;
	assert_int_equal(trace_writer_open(&w, "/dev/full"), 0);
	assert_int_equal(trace_writer_flush(w), -ENOSPC);
	assert_string_equal(trace_writer_error(w),
			    "/dev/full: cannot write: No space left on device");
	assert_int_equal(trace_writer_bytes(w), 0);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), -ENOSPC);
}

/* Where the file may grow no more, it ends with its last whole frame. */
static void test_no_room(void **state)
{
	const struct rlimit small = {20000, RLIM_INFINITY};
	const struct rlimit large = {RLIM_INFINITY, RLIM_INFINITY};
	struct trace_writer *w = open_writer();
	uint64_t bytes, state_ = 1;
	struct stat st;
	struct trace *t;
	int err = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (uint64_t i = 0; i < 1000000 && !err; i++) {
		struct trace_event event = birth(i);

		event.size = (state_ = state_ * 6364136223846793005u + 1) >> 44;
		err = trace_writer_event(w, &event);
		if (!err && i % 1000 == 999)
			err = trace_writer_flush(w);
	}
	assert_int_equal(err, -EFBIG);
	bytes = trace_writer_bytes(w);
	assert_true(bytes > 10000 && bytes <= 20000);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &large), 0);
	assert_int_equal(stat(check_path, &st), 0);
	assert_int_equal(st.st_size, bytes);
	assert_int_equal(trace_open(&t, check_path), 0);
	assert_false(trace_complete(t));
	assert_int_equal(trace_rows(t) % 1000, 0);
	assert_non_null(strstr(trace_error(t), "without its last frame"));
	trace_close(t);
}

/* A full trace is whole, without the block that did not fit, and says why it ends. */
static void test_limit(void **state)
{
	struct trace_writer *w = open_writer();
	uint64_t i, random = 1;
	struct stat st;
	struct trace *t;
	int err = 0;

	(void)state;
	trace_writer_limit(w, 20000);
	for (i = 0; !err; i++) {
		struct trace_event event = birth(i);

		event.size = (random = random * 6364136223846793005u + 1) >> 44;
		err = trace_writer_event(w, &event);
		if (!err && i % 1000 == 999)
			err = trace_writer_flush(w);
	}
	assert_int_equal(err, -EFBIG);
	assert_true(trace_writer_full(w));
	assert_int_equal(trace_writer_calls(w), i - 1000);
	assert_int_equal(trace_writer_thread(w, &thread), -EFBIG);
	assert_int_equal(trace_writer_fact(w, "end", "max-size"), 0);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){.duration_ns = 7}), 0);
	assert_int_equal(stat(check_path, &st), 0);
	assert_in_range(st.st_size, 10000, 20000);
	assert_int_equal(trace_open(&t, check_path), 0);
	assert_true(trace_complete(t));
	assert_string_equal(trace_fact(t, "end"), "max-size");
	assert_int_equal(trace_rows(t), i - 1000);
	assert_int_equal(trace_totals(t)->duration_ns, 0);
	trace_close(t);
}

/* Marks are rows, but no calls. */
static void test_calls(void **state)
{
	struct trace_event mark = {.kind = TRACE_THREAD_START,
				   .object = TRACE_NONE,
				   .old_object = TRACE_NONE,
				   .site = TRACE_NO_SITE};
	struct trace_event event = birth(0);
	struct trace_writer *w = open_writer();

	(void)state;
	assert_int_equal(trace_writer_event(w, &mark), 0);
	assert_int_equal(trace_writer_event(w, &event), 0);
	assert_int_equal(trace_writer_calls(w), 0);
	assert_int_equal(trace_writer_flush(w), 0);
	assert_int_equal(trace_writer_calls(w), 1);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), 0);
}

static void test_pipe(void **state)
{
	struct trace_event event = birth(0);
	struct trace_writer *w;
	char bytes[4096];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(trace_writer_fdopen(&w, ends[1], "pipe"), 0);
	assert_int_equal(trace_writer_thread(w, &thread), 0);
	assert_int_equal(trace_writer_event(w, &event), 0);
	assert_int_equal(trace_writer_close(w, &(struct trace_totals){0}), 0);
	assert_true(read(ends[0], bytes, sizeof(bytes)) > 100);
	assert_int_equal(read(ends[0], bytes, sizeof(bytes)), 0);
	close(ends[0]);
}

/* A reader of the growing file sees all rows of each flush, and the definitions that they need. */
static void test_growing(void **state)
{
	struct trace_writer *w = open_writer();
	const struct trace_thread *threads;
	struct trace *t;

	(void)state;
	for (uint64_t i = 0; i < 10; i++) {
		struct trace_event event = birth(i);

		event.thread = (uint32_t)i;
		assert_int_equal(trace_writer_event(w, &event), 0);
		assert_int_equal(trace_writer_flush(w), 0);
		assert_int_equal(trace_writer_thread(w, &thread), i + 1);
		assert_int_equal(trace_open(&t, check_path), 0);
		assert_int_equal(trace_rows(t), i + 1);
		assert_int_equal(trace_threads(t, &threads), i + 1);
		assert_int_equal(trace_file_bytes(t), trace_writer_bytes(w));
		assert_false(trace_complete(t));
		assert_null(trace_totals(t));
		trace_close(t);
	}
	assert_int_equal(trace_writer_close(w, NULL), 0);
	assert_int_equal(trace_open(&t, check_path), 0);
	assert_int_equal(trace_rows(t), 10);
	assert_int_equal(trace_threads(t, &threads), 11);
	assert_false(trace_complete(t));
	trace_close(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refused_definitions),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_too_many_definitions),
		cmocka_unit_test(test_cannot_open),
		cmocka_unit_test(test_full_device),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_growing),
	};

	return cmocka_run_group_tests(tests, check_make, check_remove);
}
