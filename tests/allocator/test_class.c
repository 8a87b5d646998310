#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocator/class.h"

static void every_size_gets_the_least_class_that_holds_it(void **state)
{
	(void)state;
	class_init(true, true);
	for (size_t size = 1; size <= LARGE_MOST; size++) {
		unsigned cls = class_in_use(size);

		assert_in_range(cls, 1, CLASS_END - 1);
		assert_true(class_table[cls].size >= size);
		assert_true(cls == 1 || class_table[cls - 1].size < size);
	}
}

static void classes_rise(void **state)
{
	(void)state;
	class_init(true, true);
	for (unsigned cls = 2; cls < CLASS_END; cls++)
		assert_true(class_table[cls - 1].size < class_table[cls].size);
	assert_int_equal(class_table[CLASS_TINY_END - 1].size, TINY_MOST);
	assert_int_equal(class_table[CLASS_MID_END - 1].size, MID_MOST);
	assert_int_equal(class_table[CLASS_END - 1].size, LARGE_MOST + 1);
}

static void no_small_class_wastes_more_than_an_eighth(void **state)
{
	(void)state;
	class_init(true, true);
	for (size_t size = 128; size <= MID_MOST; size++)
		assert_true(class_table[class_of(size)].size - size <= size / 8);
}

static void slabs_hold_whole_granules_of_blocks(void **state)
{
	(void)state;
	class_init(true, true);
	for (unsigned cls = 1; cls < CLASS_MID_END; cls++) {
		size_t bytes = (size_t)class_table[cls].granules << GRANULE_SHIFT;

		assert_true(bytes / class_table[cls].size >= 8);
		assert_in_range(class_table[cls].first, 1, class_table[cls].cached);
	}
}

static void what_passes_through_a_thread_cache_is_bounded_too(void **state)
{
	(void)state;
	for (unsigned cls = 1; cls < CLASS_END; cls++) {
		assert_true((size_t)class_table[cls].passing * class_table[cls].size <= 512 << 10);
		if (cls >= CLASS_TINY_END && cls < CLASS_MID_END)
			assert_true(class_table[cls].passing > class_table[cls].cached);
	}
}

static void aligned_classes_are_multiples(void **state)
{
	(void)state;
	class_init(true, true);
	for (size_t align = 16; align <= GRANULE; align *= 2)
		for (size_t size = 1; size <= 100000; size += size / 7 + 1) {
			unsigned cls = class_aligned(size, align);

			assert_true(class_table[cls].size >= size);
			assert_int_equal(class_table[cls].size % align, 0);
		}
}

static void without_tiny_mid_serves_small_sizes(void **state)
{
	(void)state;
	class_init(false, true);
	assert_int_equal(class_in_use(0), CLASS_TINY_END);
	assert_int_equal(class_in_use(1024), CLASS_TINY_END);
	assert_int_equal(class_in_use(2000), class_of(2000));
	class_init(true, true);
	assert_int_equal(class_in_use(0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_gets_the_least_class_that_holds_it),
		cmocka_unit_test(classes_rise),
		cmocka_unit_test(no_small_class_wastes_more_than_an_eighth),
		cmocka_unit_test(slabs_hold_whole_granules_of_blocks),
		cmocka_unit_test(what_passes_through_a_thread_cache_is_bounded_too),
		cmocka_unit_test(aligned_classes_are_multiples),
		cmocka_unit_test(without_tiny_mid_serves_small_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
