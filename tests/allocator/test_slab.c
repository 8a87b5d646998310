#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocator/slab.h"
#include "tests/allocator/trap.h"

#define RUN (8 * GRANULE)

static char *memory;
static struct slab slab;

static int setup(void **state)
{
	(void)state;
	class_init(true, true);
	slab_init(0x123456789abcdef0u);
	memory = aligned_alloc(GRANULE, RUN);
	return memory ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static void every_block_is_given_once_aligned_and_inside(void **state)
{
	static void *block[4096];

	(void)state;
	for (unsigned cls = 1; cls < CLASS_MID_END; cls++) {
		size_t size = class_table[cls].size, align = size & -size;
		size_t bytes = (size_t)class_table[cls].granules << GRANULE_SHIFT;
		unsigned count;

		slab_format(&slab, memory, cls);
		count = slab_take(&slab, block, 4096);
		assert_int_equal(count, slab.blocks);
		assert_int_equal(slab.free_blocks, 0);
		assert_true(count * size > bytes - size - 1024);
		for (unsigned at = 0; at < count; at++) {
			assert_true((char *)block[at] >= slab.start);
			assert_true((char *)block[at] + size <= memory + bytes);
			assert_int_equal((uintptr_t)block[at] % align, 0);
			assert_true(at == 0 || (char *)block[at - 1] >= (char *)block[at] + size);
			memset(block[at], 0xff, size);
		}
		assert_int_equal(slab_take(&slab, block, 1), 0);
	}
}

static void the_lowest_free_block_comes_first(void **state)
{
	void *block[8], *again[3];

	(void)state;
	slab_format(&slab, memory, class_of(64));
	assert_int_equal(slab_take(&slab, block, 8), 8);
	assert_ptr_equal(block[7], slab.start);
	slab_put(&slab, block[6]);
	slab_put(&slab, block[2]);
	assert_int_equal(slab_take(&slab, again, 3), 3);
	assert_ptr_equal(again[2], block[6]);
	assert_ptr_equal(again[1], block[2]);
	assert_ptr_equal(again[0], slab.start + 8 * 64);
}

static void misuse_is_reported(void **state)
{
	void *block[2];

	(void)state;
	slab_format(&slab, memory, class_of(48));
	slab_take(&slab, block, 2);
	assert_null(TRAP(slab_put(&slab, block[0])));
	assert_string_equal(TRAP(slab_put(&slab, block[0])), "double free of");
	assert_string_equal(TRAP(slab_put(&slab, (char *)block[1] + 16)),
			    "free of a pointer that is not the start of a block:");
	assert_string_equal(TRAP(slab_put(&slab, slab.start - 8)),
			    "free of a pointer that is not the start of a block:");
	assert_string_equal(TRAP(slab_put(&slab, slab.start + (size_t)slab.blocks * 48)),
			    "free of a pointer that is not the start of a block:");
}

static void remote_frees_come_back_in_batches(void **state)
{
	void *block[10];

	(void)state;
	slab_format(&slab, memory, class_of(256));
	assert_int_equal(slab_take(&slab, block, 10), 10);
	assert_false(slab_remote_any(&slab));
	slab_link(block[1], block[0]);
	slab_link(block[2], block[1]);
	slab_remote_push(&slab, block[2], block[0]);
	slab_remote_push(&slab, block[5], block[5]);
	assert_true(slab_remote_any(&slab));
	assert_int_equal(slab_remote_collect(&slab), 4);
	assert_int_equal(slab_remote_collect(&slab), 0);
	assert_int_equal(slab.free_blocks, slab.blocks - 6);
}

static void others_may_take_remote_frees_without_putting_them_back(void **state)
{
	void *block[10], *taken[10];

	(void)state;
	slab_format(&slab, memory, class_of(256));
	assert_int_equal(slab_take(&slab, block, 10), 10);
	for (int at = 0; at < 5; at++)
		slab_remote_push(&slab, block[at], block[at]);
	assert_int_equal(slab_remote_take(&slab, taken, 2), 2);
	assert_ptr_equal(taken[0], block[4]);
	assert_ptr_equal(taken[1], block[3]);
	assert_int_equal(slab.free_blocks, slab.blocks - 10);
	assert_int_equal(slab_remote_take(&slab, taken, 10), 3);
	assert_ptr_equal(taken[2], block[0]);
	assert_int_equal(slab_remote_take(&slab, taken, 10), 0);
	assert_int_equal(slab_remote_collect(&slab), 0);
}

static void a_write_to_a_remotely_freed_block_is_reported(void **state)
{
	void *block[2];

	(void)state;
	slab_format(&slab, memory, class_of(256));
	slab_take(&slab, block, 2);
	slab_remote_push(&slab, block[0], block[0]);
	memset(block[0], 'x', 8);
	assert_string_equal(TRAP(slab_remote_collect(&slab)), "write to a block after its free:");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_block_is_given_once_aligned_and_inside),
		cmocka_unit_test(the_lowest_free_block_comes_first),
		cmocka_unit_test(misuse_is_reported),
		cmocka_unit_test(remote_frees_come_back_in_batches),
		cmocka_unit_test(others_may_take_remote_frees_without_putting_them_back),
		cmocka_unit_test(a_write_to_a_remotely_freed_block_is_reported),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
