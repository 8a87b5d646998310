/* Golden traces: good ones read as they always did, each bad one has its own verdict. */
#include "check.h"
#include "text.h"
#include "tiny.h"

#include "traces/frame.h"

#include <glob.h>
#include <string.h>

#define GOLDEN "traces/golden/"

static char *slurp(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	char *all = malloc(1 << 20);

	assert_non_null(file);
	assert_non_null(all);
	*size = fread(all, 1, (1 << 20) - 1, file);
	all[*size] = 0;
	fclose(file);
	return all;
}

static void check_good(const char *name, unsigned jobs)
{
	char path[64], *want, *got;
	size_t want_size, got_size;
	struct trace *t;
	FILE *out = open_memstream(&got, &got_size);

	snprintf(path, sizeof(path), GOLDEN "%s.txt", name);
	want = slurp(path, &want_size);
	snprintf(path, sizeof(path), GOLDEN "%s.zst", name);
	if (trace_open(&t, path))
		fail_msg("%s", trace_error(t));
	assert_int_equal(text_print(out, t, jobs), 0);
	assert_string_equal(trace_error(t), "");
	trace_close(t);
	fclose(out);
	assert_string_equal(got, want);
	free(want);
	free(got);
}

static void test_good(void **state)
{
	(void)state;
	for (unsigned jobs = 0; jobs < 4; jobs++) {
		check_good("tiny", jobs);
		check_good("every", jobs);
		check_good("later", jobs);
	}
}

static void test_bad(void **state)
{
	char *line = NULL, *got;
	size_t room = 0, size, verdicts = 0;
	FILE *list, *out;
	glob_t found;

	(void)state;
	assert_int_equal(chdir(GOLDEN "bad"), 0);
	list = fopen("verdicts.txt", "r");
	assert_non_null(list);
	while (getline(&line, &room, list) > 0) {
		char *name = strndup(line, strcspn(line, " "));

		for (unsigned jobs = 1; jobs < 3; jobs++) {
			out = open_memstream(&got, &size);
			text_verdict(out, name, jobs);
			fclose(out);
			assert_string_equal(got, line);
			assert_null(strstr(got, "| fine |"));
			free(got);
		}
		free(name);
		verdicts++;
	}
	assert_int_equal(glob("*.zst", 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, verdicts);
	globfree(&found);
	free(line);
	fclose(list);
	assert_int_equal(chdir("../../.."), 0);
}

/* The seek table is what zstd's document of the seekable format says: frame by frame. */
static void check_seek_table(const char *path)
{
	size_t size, at = 0;
	uint8_t *file = (uint8_t *)slurp(path, &size), *table;
	uint32_t frames = frame_u32(file + size - 9);

	assert_int_equal(frame_u32(file + size - 4), 0x8f92eab1);
	assert_int_equal(file[size - 5], 0);
	table = file + size - 9 - 8 * frames - 8;
	assert_int_equal(frame_u32(table), 0x184d2a5e);
	assert_int_equal(frame_u32(table + 4), 8 * frames + 9);
	for (uint32_t i = 0; i < frames; i++) {
		bool skippable = frame_u32(file + at) != FRAME_ZSTD_MAGIC;
		const char *why;
		uint64_t bytes, content = 0;

		assert_int_equal(frame_measure(file + at, size - at, &bytes), 0);
		if (!skippable)
			assert_int_equal(frame_check(file + at, bytes, &content, &why), 0);
		assert_int_equal(frame_u32(table + 8 + 8 * i), bytes);
		assert_int_equal(frame_u32(table + 12 + 8 * i), content);
		at += bytes;
	}
	assert_ptr_equal(file + at, table);
	free(file);
}

static void test_seek_tables(void **state)
{
	(void)state;
	check_seek_table(GOLDEN "tiny.zst");
	check_seek_table(GOLDEN "every.zst");
	check_seek_table(GOLDEN "later.zst");
}

/* The value of two hexadecimal digits; -1 where there are none. */
static int hex_byte(const char *at)
{
	const char pair[] = {at[0], at[0] ? at[1] : 0, 0};
	char *end;
	long byte = strtol(pair, &end, 16);

	return end == pair + 2 ? (int)byte : -1;
}

/* The worked bytes: lines of FORMAT.md that begin with "    OFFSET: " and hold bytes up to "  ". */
static void test_worked_bytes(void **state)
{
	size_t size, format_size, shown = 0;
	char *tiny = slurp(GOLDEN "tiny.zst", &size);
	char *format = slurp("traces/FORMAT.md", &format_size);

	(void)state;
	for (char *line = format; line; line = strchr(line, '\n')) {
		unsigned offset;
		char *at;
		int used;

		line += *line == '\n';
		if (sscanf(line, "    %4x: %n", &offset, &used) != 1 || line[8] != ':')
			continue;
		assert_int_equal(offset, shown);
		for (at = line + used; hex_byte(at) >= 0;) {
			assert_true(shown < size);
			assert_int_equal((uint8_t)tiny[shown++], hex_byte(at));
			at += at[2] == ' ' ? 3 : 2;
		}
	}
	assert_int_equal(shown, size);
	free(tiny);
	free(format);
}

/* Contents of all frames of a file, one behind the other; as zstd -dc prints them. */
static struct bytes contents(const char *path)
{
	struct frame_taker *taker = frame_taker_create();
	struct bytes all = {0}, content = {0};
	size_t size, at = 0;
	char *file = slurp(path, &size);

	while (at < size) {
		const char *why;
		uint64_t bytes;

		assert_int_equal(frame_measure(file + at, size - at, &bytes), 0);
		if (frame_u32((uint8_t *)file + at) == FRAME_ZSTD_MAGIC) {
			assert_int_equal(frame_take(taker, file + at, bytes, &content, &why), 0);
			bytes_add(&all, content.data, content.size);
		}
		at += bytes;
	}
	bytes_free(&content);
	frame_taker_destroy(taker);
	free(file);
	return all;
}

static void test_writer_still_writes_the_same(void **state)
{
	struct bytes want = contents(GOLDEN "tiny.zst"), got;

	(void)state;
	assert_int_equal(tiny_write(check_path), 0);
	got = contents(check_path);
	assert_int_equal(got.size, want.size);
	assert_memory_equal(got.data, want.data, want.size);
	bytes_free(&got);
	bytes_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_seek_tables),
		cmocka_unit_test(test_worked_bytes),
		cmocka_unit_test(test_writer_still_writes_the_same),
	};

	return cmocka_run_group_tests(tests, check_make, check_remove);
}
