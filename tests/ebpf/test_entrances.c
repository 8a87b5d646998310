/* The allocator's functions in the libraries of this machine, and in files that have none. */
#include "recorder/ebpf/entrances.h"
#include "recorder/ebpf/ring.h"
#include "traces/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/lib-names.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"

struct found {
	struct symbols symbols;
	struct entrances entrances;
	int fd;
};

static void look(struct found *found, const char *path)
{
	found->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (found->fd < 0)
		skip();
	assert_int_equal(symbols_open(&found->symbols, found->fd), 0);
	assert_int_equal(entrances_find(&found->entrances, &found->symbols), 0);
}

static void leave(struct found *found)
{
	symbols_close(&found->symbols);
	close(found->fd);
}

/* The function that is known by a kind's name. */
static const struct entrance *entrance_of(const struct found *found, unsigned kind)
{
	for (size_t i = 0; i < found->entrances.count; i++)
		if (found->entrances.all[i].kinds >> kind & 1)
			return &found->entrances.all[i];
	fail_msg("no function of kind %s", trace_kind_name(kind));
	return NULL;
}

/* What the cookie says is what was found. */
static void assert_cookies(const struct found *found)
{
	for (size_t i = 0; i < found->entrances.count; i++) {
		const struct entrance *e = &found->entrances.all[i];

		assert_int_equal(COOKIE_KIND(e->cookie), e->kind);
		assert_int_equal(COOKIE_OFFSET(e->cookie), e->spot.offset);
		assert_int_equal(COOKIE_STACK(e->cookie), e->spot.stack);
		assert_int_equal(COOKIE_BYTES(e->cookie), e->size);
		for (unsigned n = 0; n < SPOT_ARGS; n++)
			assert_int_equal(COOKIE_ARG(e->cookie, n), e->spot.argument[n]);
		assert_int_equal(e->offset,
				 symbols_offset(&found->symbols, e->addr + e->spot.offset));
	}
}

static void assert_allocator(const char *path, unsigned slow_at_most)
{
	static const unsigned kinds[] = {TRACE_MALLOC,  TRACE_CALLOC,         TRACE_REALLOC,
					 TRACE_FREE,    TRACE_POSIX_MEMALIGN, TRACE_ALIGNED_ALLOC,
					 TRACE_MEMALIGN};
	struct found found;

	look(&found, path);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const struct entrance *e = entrance_of(&found, kinds[i]);

		assert_int_equal(e->returns, kinds[i] != TRACE_FREE);
		assert_true(e->spot.emulated);
		if (e->returns)
			assert_int_equal(e->spot.stack, 0);
	}
	assert_in_range(found.entrances.slow, 0, slow_at_most);
	assert_true(found.symbols.library);
	assert_cookies(&found);
	leave(&found);
}

static void test_glibc(void **state)
{
	(void)state;
	/* reallocarray multiplies its arguments away before the first branch. */
	assert_allocator(LIBRARIES LIBC_SO, 1);
}

static void test_jemalloc(void **state)
{
	(void)state;
	assert_allocator(LIBRARIES "libjemalloc.so.2", 0);
}

static void test_tcmalloc(void **state)
{
	(void)state;
	assert_allocator(LIBRARIES "libtcmalloc_minimal.so.4", 0);
}

static void test_mimalloc(void **state)
{
	(void)state;
	assert_allocator(LIBRARIES "libmimalloc.so.2.0", 0);
}

static void test_musl(void **state)
{
	(void)state;
	assert_allocator("/lib/ld-musl-x86_64.so.1", 0);
}

/* Every operator of libstdc++ gets its block from another function; none has its return caught. */
static void test_standard_operators(void **state)
{
	struct found found;

	(void)state;
	look(&found, LIBRARIES "libstdc++.so.6");
	assert_int_equal(found.entrances.functions, 20);
	assert_int_equal(found.entrances.count, 22); /* and where exceptions begin and end */
	assert_int_equal(found.entrances.slow, 0);
	for (size_t i = 0; i < found.entrances.count; i++) {
		const struct entrance *e = &found.entrances.all[i];
		bool is_new = e->kind >= TRACE_NEW && e->kind <= TRACE_NEW_ARRAY_ALIGNED_NOTHROW;

		assert_false(e->returns);
		assert_int_equal(!!(e->cookie & COOKIE_WRAPPER), is_new);
	}
	assert_cookies(&found);
	leave(&found);
}

/* jemalloc's operator new does the work itself: its return is caught; new[] only jumps to it. */
static void test_own_operators(void **state)
{
	struct found found;

	(void)state;
	look(&found, LIBRARIES "libjemalloc.so.2");
	assert_true(entrance_of(&found, TRACE_NEW)->returns);
	assert_false(entrance_of(&found, TRACE_NEW)->cookie & COOKIE_WRAPPER);
	assert_true(entrance_of(&found, TRACE_NEW_ARRAY)->cookie & COOKIE_WRAPPER);
	leave(&found);
}

/* One address, several names. */
static void test_aliases(void **state)
{
	const struct entrance *e;
	struct found found;

	(void)state;
	look(&found, LIBRARIES "libtcmalloc_minimal.so.4");
	e = entrance_of(&found, TRACE_DELETE);
	assert_int_equal(e->kind, TRACE_FREE);
	assert_int_equal(e->kinds, UINT64_C(1) << TRACE_FREE | UINT64_C(1) << TRACE_DELETE |
					   UINT64_C(1) << TRACE_DELETE_ARRAY);
	leave(&found);
}

/* This very program calls free by name through its linkage table: found in its own code. */
static void test_called_by_name(void **state)
{
	struct found found;
	bool seen = false;

	(void)state;
	look(&found, "/proc/self/exe");
	assert_int_equal(found.entrances.count, 0);
	for (size_t s = 0; s < found.symbols.n_segments; s++) {
		const struct symbols_segment *segment = &found.symbols.segments[s];

		for (uint64_t at = 6; segment->exec && at < segment->bytes; at++)
			seen |= entrances_called(&found.entrances, &found.symbols,
						 segment->addr + at) == TRACE_FREE;
	}
	assert_true(seen);
	leave(&found);
}

static void test_no_elf_file(void **state)
{
	struct symbols symbols;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(symbols_open(&symbols, fd), -ENOEXEC);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(symbols_open(&symbols, fd), -ENOEXEC);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glibc),          cmocka_unit_test(test_jemalloc),
		cmocka_unit_test(test_tcmalloc),       cmocka_unit_test(test_mimalloc),
		cmocka_unit_test(test_musl),           cmocka_unit_test(test_standard_operators),
		cmocka_unit_test(test_own_operators),  cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_called_by_name), cmocka_unit_test(test_no_elf_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
