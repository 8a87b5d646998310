/* What --check writes is found again, and every changed byte is noticed where it is. */
#include "replayer/pattern.h"
#include "replayer/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_fill_is_found(void **state)
{
	unsigned char block[100];

	(void)state;
	for (size_t size = 0; size <= sizeof(block) - 1; size++) {
		block[size] = 0x77;
		pattern_fill(block, size, 42);
		assert_int_equal(pattern_differs(block, size, 42), size);
		assert_int_equal(block[size], 0x77);
	}
}

static void test_every_byte_counts(void **state)
{
	unsigned char block[77];

	(void)state;
	pattern_fill(block, sizeof(block), 1ull << 32 | 7);
	for (size_t i = 0; i < sizeof(block); i++) {
		block[i] ^= 0x10;
		assert_int_equal(pattern_differs(block, sizeof(block), 1ull << 32 | 7), i);
		block[i] ^= 0x10;
	}
}

/* Two objects never look alike, not even in one word; nor does memory that was never written. */
static void test_objects_differ(void **state)
{
	unsigned char block[256];

	(void)state;
	pattern_fill(block, sizeof(block), 1ull << 32 | 7);
	for (uint64_t i = 1; i < 1000; i++) {
		assert_true(pattern_differs(block, sizeof(block), 1ull << 32 | (7 + i)) < 8);
		assert_true(pattern_differs(block, sizeof(block), (1 + i) << 32 | 7) < 8);
		assert_true(pattern_differs(block, sizeof(block),
					    i << PLAN_COPY_SHIFT | 1ull << 32 | 7) < 8);
	}
	memset(block, 0, sizeof(block));
	assert_int_equal(pattern_differs(block, sizeof(block), 1ull << 32 | 7), 0);
}

static void test_nonzero(void **state)
{
	unsigned char block[50] = {0};

	(void)state;
	for (size_t size = 0; size <= sizeof(block); size++)
		assert_int_equal(pattern_nonzero(block, size), size);
	for (size_t i = 0; i < sizeof(block); i++) {
		block[i] = 1;
		assert_int_equal(pattern_nonzero(block, sizeof(block)), i);
		assert_int_equal(pattern_nonzero(block, i), i);
		block[i] = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill_is_found),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_objects_differ),
		cmocka_unit_test(test_nonzero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
