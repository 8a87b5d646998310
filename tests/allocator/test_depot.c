#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocator/depot.h"
#include "allocator/shard.h"
#include "tests/allocator/trap.h"

#define SIZE 4096

static unsigned cls, all; /* the class of blocks of SIZE bytes; how many a slab has */

static int setup(void **state)
{
	(void)state;
	class_init(true, true);
	cls = class_of(SIZE);
	all = GRANULE / SIZE;
	return window_init() ? 0 : -1;
}

static unsigned slab_add(void **blocks, unsigned most)
{
	bool zero;

	return depot_add(shard_take(0, SHARD_ANY, 1, 1, &zero), cls, blocks, most);
}

static void blocks_come_from_one_slab_until_it_is_used_up(void **state)
{
	void *block[32];

	(void)state;
	assert_false(depot_has(0, cls));
	assert_int_equal(depot_take(0, cls, block, 1), 0);
	assert_int_equal(slab_add(block, 3), 3);
	assert_true(depot_has(0, cls));
	assert_int_equal(depot_take(0, cls, block + 3, 32 - 3), all - 3);
	assert_int_equal(depot_take(0, cls, block + all, 1), 0);
	for (unsigned at = 0; at < all; at++)
		for (unsigned other = 0; other < at; other++)
			assert_ptr_not_equal(block[at], block[other]);
	assert_int_equal(depot_taken_bytes(), all * SIZE);
	assert_int_equal(depot_granules(), 1);
	depot_put(cls, block, all);
	assert_int_equal(depot_taken_bytes(), 0);
	assert_true(depot_trim(0));
}

static void the_last_empty_slab_of_a_class_stays_until_it_is_trimmed(void **state)
{
	void *block[2];

	(void)state;
	assert_int_equal(slab_add(block, 2), 2);
	depot_put(cls, block, 1);
	assert_false(depot_trim(0));
	depot_put(cls, block + 1, 1);
	assert_int_equal(shard_granules(), 1);
	assert_int_equal(depot_take(0, cls, block, 2), 2);
	depot_put(cls, block, 2);
	assert_true(depot_trim(0));
	assert_false(depot_trim(0));
	assert_false(depot_has(0, cls));
	assert_int_equal(shard_granules(), 0);
}

static void an_empty_slab_goes_back_when_another_has_free_blocks(void **state)
{
	void *first[16], *second[16];

	(void)state;
	assert_int_equal(slab_add(first, all), all);
	assert_int_equal(slab_add(second, all), all);
	depot_put(cls, second, all);
	assert_int_equal(depot_granules(), 2);
	depot_put(cls, first, 1);
	assert_int_equal(depot_granules(), 1);
	assert_int_equal(shard_granules(), 1);
	assert_int_equal(slab_add(second, 1), 1);
	depot_put(cls, second, 1);
	assert_int_equal(depot_granules(), 1);
	depot_put(cls, first + 1, all - 1);
	assert_true(depot_trim(0));
	assert_int_equal(shard_granules(), 0);
}

static void blocks_of_several_slabs_go_back_each_to_its_own(void **state)
{
	void *block[32];

	(void)state;
	assert_int_equal(slab_add(block, all), all);
	assert_int_equal(slab_add(block + all, all), all);
	for (unsigned at = 0; at < all; at += 2) { /* in turns */
		void *other = block[at];

		block[at] = block[all + at];
		block[all + at] = other;
	}
	depot_put(cls, block, 2 * all);
	assert_int_equal(depot_taken_bytes(), 0);
	assert_int_equal(depot_granules(), 1);
	assert_true(depot_trim(0));
	assert_int_equal(shard_granules(), 0);
}

static void a_block_goes_back_to_the_shard_that_it_came_from(void **state)
{
	void *block[2];
	bool zero;

	(void)state;
	assert_int_equal(slab_add(block, 1), 1);
	assert_int_equal(depot_add(shard_take(1, SHARD_ANY, 1, 1, &zero), cls, block + 1, 1), 1);
	depot_put(cls, block, 2);
	assert_true(depot_trim(0));
	assert_false(depot_has(0, cls));
	assert_true(depot_has(1, cls));
	assert_true(depot_trim(1));
	assert_int_equal(shard_granules(), 0);
}

static void misuse_is_reported(void **state)
{
	void *block[3], *twice[2], *inside;

	(void)state;
	assert_int_equal(slab_add(block, 3), 3);
	inside = (char *)block[1] + 16;
	assert_string_equal(TRAP(depot_put(cls + 1, block, 1)), "double free of");
	depot_put(cls, block, 1);
	/* Each leaves the class's lock held. */
	assert_string_equal(TRAP(depot_put(cls, block, 1)), "double free of");
	depot_fork_done();
	assert_string_equal(TRAP(depot_put(cls, &inside, 1)),
			    "free of a pointer that is not the start of a block:");
	depot_fork_done();
	twice[0] = twice[1] = block[1];
	assert_string_equal(TRAP(depot_put(cls, twice, 2)), "double free of");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_come_from_one_slab_until_it_is_used_up),
		cmocka_unit_test(the_last_empty_slab_of_a_class_stays_until_it_is_trimmed),
		cmocka_unit_test(an_empty_slab_goes_back_when_another_has_free_blocks),
		cmocka_unit_test(blocks_of_several_slabs_go_back_each_to_its_own),
		cmocka_unit_test(a_block_goes_back_to_the_shard_that_it_came_from),
		cmocka_unit_test(misuse_is_reported),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
