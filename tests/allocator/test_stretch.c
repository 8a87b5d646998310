/* Whales of up to 32 MiB, through the library's own calls; the process is one thread, of one shard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "allocator/hakmem.h"
#include "allocator/os.h"
#include "allocator/segment.h"
#include "allocator/stretch.h"
#include "allocator/totals.h"
#include "tests/allocator/trap.h"

#define MIB ((size_t)1 << 20)

static struct hak_stats stats(void)
{
	struct hak_stats now = {.size = sizeof(now)};

	hak_stats_get(&now);
	return now;
}

static int fresh(void **state)
{
	(void)state;
	hak_trim(0);
	return 0;
}

static void fill(char *ptr, size_t bytes, int value)
{
	for (size_t at = 0; at < bytes; at += OS_PAGE)
		ptr[at] = (char)value;
}

static void blocks_do_not_overlap(void **state)
{
	char *block[40];

	(void)state;
	for (int at = 0; at < 40; at++) {
		size_t size = 2 * MIB + (size_t)at * 777777;

		block[at] = hak_malloc(size);
		assert_true(hak_usable_size(block[at]) >= size);
		fill(block[at], size, at + 1);
		block[at][size - 1] = (char)(at + 1);
	}
	for (int at = 0; at < 40; at++) {
		size_t size = 2 * MIB + (size_t)at * 777777;

		for (size_t byte = 0; byte < size; byte += OS_PAGE)
			assert_int_equal(block[at][byte], at + 1);
		assert_int_equal(block[at][size - 1], at + 1);
		hak_free(block[at]);
	}
	hak_trim(0);
	assert_int_equal(stats().spans_taken, stats().spans_returned);
}

static void freed_neighbours_serve_a_larger_block(void **state)
{
	char *block[3], *merged;
	uint64_t mapped;

	(void)state;
	for (int at = 0; at < 3; at++)
		block[at] = hak_malloc(5 * MIB);
	mapped = stats().mapped_bytes;
	for (int at = 0; at < 3; at++)
		hak_free(block[at]);
	merged = hak_malloc(15 * MIB);
	assert_ptr_equal(merged, block[0]);
	assert_int_equal(stats().mapped_bytes, mapped);
	hak_free(merged);
}

static void a_block_takes_the_front_and_spans_the_rest(void **state)
{
	char *large = hak_malloc(12 * MIB), *small, *span[6];
	uint64_t mapped = stats().mapped_bytes;

	(void)state;
	hak_free(large);
	small = hak_malloc(5 * MIB);
	assert_ptr_equal(small, large);
	for (int at = 0; at < 6; at++) {
		span[at] = hak_malloc(MIB);
		assert_true(span[at] >= large && span[at] < large + 12 * MIB);
	}
	assert_int_equal(stats().mapped_bytes, mapped);
	for (int at = 0; at < 6; at++)
		hak_free(span[at]);
	hak_free(small);
}

static void the_last_one_freed_stays_whole(void **state)
{
	char *ptr = hak_malloc(5 * MIB), *span;
	struct hak_stats before = stats(), after;

	(void)state;
	for (int at = 0; at < 100; at++) {
		hak_free(ptr);
		assert_true(stats().whale_kept_bytes >= 5 * MIB);
		assert_ptr_equal(hak_malloc(5 * MIB), ptr);
	}
	after = stats();
	assert_int_equal(after.spans_taken, before.spans_taken);
	assert_int_equal(after.whale_hits, before.whale_hits + 100);
	/* Others may have its memory before any is fresh. */
	fill(ptr, 5 * MIB, 1);
	hak_free(ptr);
	span = hak_malloc(MIB);
	assert_true(span >= ptr && span < ptr + 5 * MIB);
	assert_int_equal(stats().whale_kept_bytes, 0);
	hak_free(span);
}

static void the_tightest_hole_is_taken(void **state)
{
	static const size_t size[] = {9, 3, 6, 3, 9, 3}; /* MiB; holes and walls in turn */
	char *block[6];

	(void)state;
	for (int at = 0; at < 6; at++)
		block[at] = hak_malloc(size[at] * MIB);
	for (int at = 0; at < 6; at += 2)
		hak_free(block[at]);
	assert_ptr_equal(hak_malloc(6 * MIB), block[2]);
	for (int at = 1; at < 6; at += 2)
		hak_free(block[at]);
	hak_free(block[2]);
}

static void repeated_sizes_make_no_system_calls(void **state)
{
	struct hak_stats before, after;

	(void)state;
	for (int round = 0; round < 40; round++) {
		char *block[8];

		if (round == 10)
			before = stats();
		for (int at = 0; at < 8; at++)
			block[at] = hak_malloc((size_t)(2 + at) * MIB);
		for (int at = 0; at < 8; at++)
			hak_free(block[at]);
	}
	after = stats();
	assert_int_equal(after.mmap_calls, before.mmap_calls);
	assert_int_equal(after.munmap_calls, before.munmap_calls);
	/* A step of decay may find what the first rounds left. */
	assert_in_range(after.purge_calls - before.purge_calls, 0, 2);
	assert_int_equal(after.whale_hits - before.whale_hits, 30 * 8);
}

static void what_is_kept_is_bounded(void **state)
{
	static char *block[40];

	(void)state;
	for (int at = 0; at < 40; at++)
		block[at] = hak_malloc(30 * MIB);
	assert_true(stats().mapped_bytes >= 1200 * MIB);
	for (int at = 0; at < 40; at++)
		hak_free(block[at]);
	assert_true(stats().mapped_bytes <= 200 * MIB);
}

static void what_is_kept_is_bounded_whatever_the_order(void **state)
{
	static char *block[400];

	(void)state;
	for (int at = 0; at < 400; at++)
		block[at] = hak_malloc(3000 << 10);
	assert_true(stats().mapped_bytes >= 1170 * MIB);
	/* 7 and 400 have no common divisor. */
	for (int at = 0; at < 400; at++)
		hak_free(block[at * 7 % 400]);
	assert_true(stats().mapped_bytes <= 200 * MIB);
}

static void memory_that_lies_idle_goes_back(void **state)
{
	char *idle = hak_malloc(20 * MIB), *used = hak_malloc(3 * MIB);
	uint64_t purged = stats().purged_bytes;

	(void)state;
	hak_free(idle);
	hak_free(used);
	for (int at = 0; at < 4000; at++)
		hak_free(hak_malloc(3 * MIB));
	assert_true(stats().purged_bytes - purged >= 16 * MIB);
}

static size_t resident(char *ptr, size_t pages)
{
	unsigned char *in = hak_malloc(pages);
	size_t count = 0;

	assert_int_equal(mincore(ptr, pages * OS_PAGE, in), 0);
	for (size_t page = 0; page < pages; page++)
		count += in[page] & 1;
	hak_free(in);
	return count;
}

/* Frees are operations too: a program that does nothing else gives back. */
static void frees_give_back(void **state)
{
	static char *block[3000];
	size_t pages = 2 * MIB / OS_PAGE;

	(void)state;
	for (int at = 0; at < 3000; at++)
		block[at] = hak_malloc(2 * MIB + 1);
	fill(block[1], 2 * MIB, 1);
	hak_free(block[1]);
	for (int at = 2999; at > 2; at--)
		hak_free(block[at]);
	assert_int_equal(resident(block[1], pages), 0);
	hak_free(block[0]);
	hak_free(block[2]);
}

static size_t kept_since; /* by other threads, after the rest of the sums was read */

size_t __real_stretch_kept_bytes(void);
size_t __wrap_stretch_kept_bytes(void);

size_t __wrap_stretch_kept_bytes(void)
{
	return __real_stretch_kept_bytes() + kept_since;
}

/* Other threads go on while it is summed up. */
static void what_is_in_use_is_never_less_than_nothing(void **state)
{
	char *ptr = hak_malloc(3 * MIB);
	size_t live = totals_live_bytes();

	(void)state;
	assert_true(live >= 3 * MIB);
	kept_since = live - 1;
	assert_int_equal(totals_live_bytes(), 1);
	kept_since = live + 1;
	assert_int_equal(totals_live_bytes(), 0);
	kept_since = 0;
	hak_free(ptr);
}

static void calloc_clears_what_may_be_dirty(void **state)
{
	char *dirty, *ptr;

	(void)state;
	for (int round = 0; round < 2; round++) {
		uint64_t skipped = stats().zero_skipped_bytes;

		hak_trim(0);
		dirty = hak_malloc(5 * MIB);
		memset(dirty, 1, 5 * MIB);
		hak_free(dirty);
		/* Partly what was just freed, then all of it. */
		ptr = hak_calloc(1, round ? 5 * MIB : 6 * MIB);
		assert_ptr_equal(ptr, dirty);
		assert_int_equal(stats().zero_skipped_bytes - skipped, round ? 0 : MIB);
		for (size_t at = 0; at < (round ? 5 : 6) * MIB; at++)
			assert_int_equal(ptr[at], 0);
		hak_free(ptr);
	}
}

static void realloc_grows_into_what_is_free(void **state)
{
	char *ptr = hak_malloc(3 * MIB), *next = hak_malloc(10 * MIB);

	(void)state;
	fill(ptr, 3 * MIB, 7);
	hak_free(next);
	assert_ptr_equal(hak_realloc(ptr, 11 * MIB), ptr);
	assert_true(hak_usable_size(ptr) >= 11 * MIB);
	assert_ptr_equal(hak_realloc(ptr, 4 * MIB), ptr);
	assert_true(hak_usable_size(ptr) < 5 * MIB);
	next = hak_malloc(9 * MIB);
	assert_true(next >= ptr + 4 * MIB);
	for (size_t at = 0; at < 3 * MIB; at += OS_PAGE)
		assert_int_equal(ptr[at], 7);
	hak_free(next);
	hak_free(ptr);
}

static void realloc_moves_pages_where_it_cannot(void **state)
{
	char *ptr = hak_malloc(6 * MIB), *next = hak_malloc(3 * MIB), *moved;
	struct hak_stats before = stats();

	(void)state;
	fill(ptr, 6 * MIB, 9);
	ptr[6 * MIB - 1] = 5;
	moved = hak_realloc(ptr, 40 * MIB);
	assert_ptr_not_equal(moved, ptr);
	assert_int_equal(stats().realloc_moved, before.realloc_moved + 1);
	for (size_t at = 0; at < 6 * MIB; at += OS_PAGE)
		assert_int_equal(moved[at], 9);
	assert_int_equal(moved[6 * MIB - 1], 5);
	moved[40 * MIB - 1] = 1;
	/* The addresses serve again. */
	assert_ptr_equal(hak_malloc(6 * MIB), ptr);
	fill(ptr, 6 * MIB, 1);
	hak_free(ptr);
	hak_free(next);
	hak_free(moved);
}

static void a_block_that_was_moved_grows_where_it_is(void **state)
{
	char *ptr = hak_malloc(20 * MIB), *next = hak_malloc(3 * MIB);
	struct hak_stats before;

	(void)state;
	ptr = hak_realloc(ptr, 40 * MIB);
	before = stats();
	fill(ptr, 40 * MIB, 3);
	assert_ptr_equal(hak_realloc(ptr, 45 * MIB), ptr);
	assert_int_equal(stats().realloc_in_place, before.realloc_in_place + 1);
	assert_int_equal(stats().whale_allocs, before.whale_allocs);
	fill(ptr + 40 * MIB, 5 * MIB, 4);
	assert_int_equal(ptr[40 * MIB - OS_PAGE], 3);
	hak_free(ptr);
	hak_free(next);
}

static void realloc_to_more_than_can_be_changes_nothing(void **state)
{
	char *ptr = hak_malloc(4 * MIB), *next;

	(void)state;
	assert_null(hak_realloc(ptr, SIZE_MAX - 100));
	assert_null(hak_realloc(ptr, (size_t)PTRDIFF_MAX + 1));
	assert_true(hak_usable_size(ptr) >= 4 * MIB);
	next = hak_malloc(4 * MIB);
	assert_true(next >= ptr + 4 * MIB || next + 4 * MIB <= ptr);
	hak_free(next);
	hak_free(ptr);
}

static void misuse_is_reported(void **state)
{
	char *ptr = hak_malloc(9 * MIB);

	(void)state;
	assert_string_equal(TRAP(hak_free(ptr + 16)),
			    "free of a pointer that is not the start of a block:");
	assert_string_equal(TRAP(hak_free(ptr + 5 * MIB)), "double free of");
	assert_string_equal(TRAP(hak_usable_size(ptr + 16)), "not the start of a block:");
	assert_string_equal(TRAP(hak_realloc(ptr + 16, 100)), "not the start of a block:");
	hak_free(ptr);
	assert_string_equal(TRAP(hak_free(ptr)), "double free of");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(blocks_do_not_overlap, fresh),
		cmocka_unit_test_setup(freed_neighbours_serve_a_larger_block, fresh),
		cmocka_unit_test_setup(a_block_takes_the_front_and_spans_the_rest, fresh),
		cmocka_unit_test_setup(the_last_one_freed_stays_whole, fresh),
		cmocka_unit_test_setup(the_tightest_hole_is_taken, fresh),
		cmocka_unit_test_setup(repeated_sizes_make_no_system_calls, fresh),
		cmocka_unit_test_setup(what_is_kept_is_bounded, fresh),
		cmocka_unit_test_setup(what_is_kept_is_bounded_whatever_the_order, fresh),
		cmocka_unit_test_setup(memory_that_lies_idle_goes_back, fresh),
		cmocka_unit_test_setup(frees_give_back, fresh),
		cmocka_unit_test_setup(what_is_in_use_is_never_less_than_nothing, fresh),
		cmocka_unit_test_setup(calloc_clears_what_may_be_dirty, fresh),
		cmocka_unit_test_setup(realloc_grows_into_what_is_free, fresh),
		cmocka_unit_test_setup(realloc_moves_pages_where_it_cannot, fresh),
		cmocka_unit_test_setup(a_block_that_was_moved_grows_where_it_is, fresh),
		cmocka_unit_test_setup(realloc_to_more_than_can_be_changes_nothing, fresh),
		cmocka_unit_test_setup(misuse_is_reported, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
