#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "allocator/os.h"
#include "allocator/stat.h"
#include "allocator/whale.h"
#include "allocator/window.h"
#include "tests/allocator/trap.h"

#define MIB ((size_t)1 << 20)

static int setup(void **state)
{
	(void)state;
	return window_init() ? 0 : -1;
}

static int fresh(void **state)
{
	(void)state;
	whale_tick(true);
	whale_init(4);
	return 0;
}

static void a_freed_region_is_reused(void **state)
{
	bool zero;
	char *ptr = whale_alloc(3 * MIB, 1, &zero), *again;

	(void)state;
	assert_true(zero);
	assert_int_equal(whale_usable(ptr), 3 * MIB);
	memset(ptr, 1, 3 * MIB);
	whale_free(ptr);
	assert_int_equal(whale_kept_bytes(), 3 * MIB);
	again = whale_alloc(3 * MIB - 5000, 1, &zero);
	assert_ptr_equal(ptr, again);
	assert_false(zero);
	assert_int_equal(whale_kept_bytes(), 0);
	whale_free(again);
}

static void a_much_larger_region_is_not(void **state)
{
	char *ptr = whale_alloc(8 * MIB, 1, NULL), *other;

	(void)state;
	whale_free(ptr);
	other = whale_alloc(3 * MIB, 1, NULL);
	assert_ptr_not_equal(ptr, other);
	whale_free(other);
}

static void kept_regions_are_bounded_in_number(void **state)
{
	char *ptr[10];

	(void)state;
	for (int at = 0; at < 10; at++)
		ptr[at] = whale_alloc(2 * MIB, 1, NULL);
	for (int at = 0; at < 10; at++)
		whale_free(ptr[at]);
	assert_int_equal(whale_kept_bytes(), 4 * 2 * MIB);
	assert_int_equal(whale_live_bytes(), 0);
}

static void capacity_0_keeps_nothing(void **state)
{
	(void)state;
	whale_init(0);
	whale_free(whale_alloc(5 * MIB, 1, NULL));
	assert_int_equal(whale_kept_bytes(), 0);
}

static void large_regions_are_kept_once_they_would_have_served(void **state)
{
	bool zero;

	(void)state;
	for (int round = 0; round < 5; round++) {
		char *ptr = whale_alloc(40 * MIB, 1, &zero);

		assert_int_equal(zero, round < 2);
		ptr[0] = 1;
		whale_free(ptr);
	}
}

static void kept_regions_age(void **state)
{
	(void)state;
	whale_free(whale_alloc(5 * MIB, 1, NULL));
	for (int step = 0; step < 63; step++)
		assert_int_equal(whale_tick(false), 0);
	assert_int_equal(whale_tick(false), 5 * MIB);
}

static void alignments_beyond_a_slot_hold(void **state)
{
	(void)state;
	for (size_t align = 4 * MIB; align <= 256 * MIB; align *= 2) {
		char *ptr = whale_alloc(2 * MIB, align, NULL);

		assert_non_null(ptr);
		assert_int_equal((uintptr_t)ptr % align, 0);
		whale_free(ptr);
	}
}

static void contents_survive_resizing(void **state)
{
	static const size_t size[] = {3, 5, 40, 41, 20, 2, 90};
	char *ptr = whale_alloc(3 * MIB, 1, NULL);

	(void)state;
	for (size_t at = 0; at < 3 * MIB; at += OS_PAGE)
		ptr[at] = (char)(at / OS_PAGE);
	for (size_t step = 0; step < sizeof(size) / sizeof(size[0]); step++) {
		ptr = whale_realloc(ptr, size[step] * MIB);
		assert_non_null(ptr);
		assert_int_equal(whale_usable(ptr), size[step] * MIB);
		ptr[size[step] * MIB - 1] = 1;
		for (size_t at = 0; at < 2 * MIB; at += OS_PAGE)
			assert_int_equal(ptr[at], (char)(at / OS_PAGE));
	}
	whale_free(ptr);
}

static void misuse_is_reported(void **state)
{
	char *ptr = whale_alloc(3 * MIB, 1, NULL);

	(void)state;
	whale_free(ptr);
	assert_string_equal(TRAP(whale_free(ptr)), "double free of");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_freed_region_is_reused, fresh),
		cmocka_unit_test_setup(a_much_larger_region_is_not, fresh),
		cmocka_unit_test_setup(kept_regions_are_bounded_in_number, fresh),
		cmocka_unit_test_setup(capacity_0_keeps_nothing, fresh),
		cmocka_unit_test_setup(large_regions_are_kept_once_they_would_have_served, fresh),
		cmocka_unit_test_setup(kept_regions_age, fresh),
		cmocka_unit_test_setup(alignments_beyond_a_slot_hold, fresh),
		cmocka_unit_test_setup(contents_survive_resizing, fresh),
		/* Last: the trap leaves the lock held. */
		cmocka_unit_test_setup(misuse_is_reported, fresh),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
