/* The order check's set of addresses against a plain array. */
#include "addresses.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MEMBERS = 5000, STEPS = 200000 };

static void test_like_an_array(void **state)
{
	static bool member[MEMBERS];
	struct addresses set = {0};
	uint64_t random = 1;
	size_t count = 0;

	(void)state;
	assert_false(addresses_remove(&set, 16));
	for (unsigned i = 0; i < STEPS; i++) {
		size_t number;

		random = random * 6364136223846793005u + 1442695040888963407u;
		number = (size_t)(random >> 33) % MEMBERS;
		if (random >> 32 & 1) {
			assert_int_equal(addresses_add(&set, 16 * (number + 1)), !member[number]);
			count += !member[number];
			member[number] = true;
		} else {
			assert_int_equal(addresses_remove(&set, 16 * (number + 1)), member[number]);
			count -= member[number];
			member[number] = false;
		}
		assert_int_equal(set.count, count);
	}
	addresses_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
