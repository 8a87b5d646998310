/* Names of traces: each trace keeps its own, whatever process ids come again. */
#include "unit.h"

#include "recorder/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/recording.XXXXXX";
static char file[64];
static struct recording recording;

static int open_recording(void **state)
{
	(void)state;
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file, sizeof(file), "%s/first.zst", folder);
	recording = (struct recording){0};
	return recording_open(&recording, file, "/bin/app", 10);
}

static int close_recording(void **state)
{
	(void)state;
	recording_close(&recording);
	for (size_t i = 0; i < recording.count; i++)
		unlink(recording.traces[i].path);
	recording_fini(&recording);
	return rmdir(folder);
}

/* One trace from its begin to its end; earlier: another image follows as number image. */
static void make_trace(bool first, const char *program, pid_t pid, uint32_t image)
{
	static const struct trace_totals totals;
	static const struct ledger_counts counts;
	char *path;
	struct trace_writer *writer = recording_begin(&recording, first, program, pid, &path);

	assert_non_null(writer);
	assert_int_equal(trace_writer_close(writer, &totals), 0);
	if (image)
		recording_move(&recording, &path, program, pid, image);
	recording_add(&recording, path, NULL, 1, &counts);
	free(path);
}

static void assert_name(size_t index, const char *name)
{
	assert_in_range(index, 0, recording.count - 1);
	assert_string_equal(strrchr(recording.traces[index].path, '/') + 1, name);
	assert_int_equal(access(recording.traces[index].path, R_OK), 0);
}

static void test_names(void **state)
{
	(void)state;
	make_trace(true, "/bin/app", 10, 1);
	make_trace(false, "/usr/bin/child", 11, 0);
	make_trace(true, "/bin/other", 10, 0);
	assert_name(0, "app.10.1.zst");
	assert_name(1, "child.11.zst");
	assert_name(2, "first.zst");
}

static void test_process_id_comes_again(void **state)
{
	(void)state;
	make_trace(true, "/bin/app", 10, 0);
	make_trace(false, "/bin/sh", 20, 0);
	make_trace(false, "/bin/sh", 20, 1);
	make_trace(false, "/bin/sh", 20, 0);
	assert_name(1, "sh.20.1.zst");
	assert_name(2, "sh.20.2.zst");
	assert_name(3, "sh.20.zst");
}

static void test_first_process_that_never_comes(void **state)
{
	(void)state;
	assert_int_equal(access(file, R_OK), 0);
	recording_close(&recording);
	assert_int_not_equal(access(file, R_OK), 0);
}

static void test_folder_that_is_not_there(void **state)
{
	struct recording failing = {0};

	(void)state;
	assert_int_not_equal(recording_open(&failing, "/nowhere/at/all.zst", "app", 1), 0);
	assert_non_null(strstr(failing.message, "/nowhere/at/all.zst"));
	recording_fini(&failing);
	recording_close(&recording);
}

#define ON_RECORDING(test) cmocka_unit_test_setup_teardown(test, open_recording, close_recording)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_RECORDING(test_names),
		ON_RECORDING(test_process_id_comes_again),
		ON_RECORDING(test_first_process_that_never_comes),
		ON_RECORDING(test_folder_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
