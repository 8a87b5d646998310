#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocator/heap.h"
#include "allocator/shard.h"
#include "tests/allocator/trap.h"

#define SIZE      2000
#define SPAN_SIZE 100000
#define MANY      1000
#define SPANS     64

static unsigned cls, span_cls;
static struct heap *maker, *taker;
static void *block[MANY];

static int setup(void **state)
{
	(void)state;
	class_init(true, true);
	cls = class_of(SIZE);
	span_cls = class_of(SPAN_SIZE);
	return window_init() ? 0 : -1;
}

/* Two new heaps, one that allocates and one that frees. */
static int heaps_make(void **state)
{
	(void)state;
	maker = heap_create();
	taker = heap_create();
	return maker && taker ? 0 : -1;
}

static void pass(unsigned of, unsigned count)
{
	for (unsigned at = 0; at < count; at++) {
		block[at] = heap_alloc(maker, of, NULL);
		assert_non_null(block[at]);
		assert_int_equal(window_get(block[at]), of);
	}
	for (unsigned at = 0; at < count; at++)
		heap_free(taker, of, block[at]);
}

static size_t held(struct heap *heap, unsigned of)
{
	return heap->bottom[of] ? (size_t)(*heap_top(heap, of) - heap->bottom[of]) - 1 : 0;
}

static void blocks_that_pass_one_way_go_in_larger_batches(void **state)
{
	unsigned bound = class_table[cls].cached;

	(void)state;
	pass(cls, MANY);
	assert_true(maker->counters.refills < MANY / (2 * bound));
	assert_true(taker->counters.flushes < MANY / (2 * bound));
	assert_true(held(maker, cls) <= class_table[cls].passing);
	assert_true(held(taker, cls) <= class_table[cls].passing);
}

static void upkeep_goes_by_blocks_and_not_by_batches(void **state)
{
	unsigned batches = MANY / (class_table[cls].cached / 2);

	(void)state;
	pass(cls, MANY);
	assert_in_range(maker->ticks, batches - batches / 8, batches + batches / 8);
	assert_in_range(taker->ticks, batches - batches / 8, batches + batches / 8);
}

static void a_few_refills_leave_the_bound(void **state)
{
	unsigned bound = class_table[cls].cached;

	(void)state;
	pass(cls, 4 * bound);
	assert_true(held(taker, cls) <= bound);
	assert_true(taker->counters.flushes >= 3);
}

static void the_bound_is_back_when_a_taker_allocates(void **state)
{
	unsigned bound = class_table[cls].cached;

	(void)state;
	pass(cls, MANY);
	while (!taker->counters.refills)
		heap_alloc(taker, cls, NULL);
	assert_true(held(taker, cls) <= bound);
	for (unsigned at = 0; at < 4 * bound; at++) {
		heap_free(taker, cls, heap_alloc(maker, cls, NULL));
		assert_true(held(taker, cls) <= bound);
	}
}

static void the_bound_is_back_when_a_maker_frees(void **state)
{
	unsigned bound = class_table[cls].cached;
	uint64_t flushes;

	(void)state;
	pass(cls, MANY);
	block[0] = heap_alloc(maker, cls, NULL);
	while (held(maker, cls) < 2 * bound)
		block[0] = heap_alloc(maker, cls, NULL);
	flushes = maker->counters.flushes;
	while (maker->counters.flushes == flushes)
		heap_free(maker, cls, heap_alloc(taker, cls, NULL));
	assert_true(held(maker, cls) <= bound);
}

static void stacks_that_shrink_and_grow_take_no_new_memory(void **state)
{
	void **bottom;

	(void)state;
	pass(cls, MANY);
	bottom = maker->bottom[cls];
	for (unsigned round = 0; round < 8; round++) {
		unsigned at = 0;

		for (; at < MANY; at++)
			block[at] = heap_alloc(maker, cls, NULL);
		while (at--)
			heap_free(maker, cls, block[at]);
		assert_ptr_equal(maker->bottom[cls], bottom);
	}
}

static void spans_that_pass_one_way_go_several_at_once(void **state)
{
	unsigned granules = class_table[span_cls].granules, made = 0;
	size_t before;

	(void)state;
	shard_purge(0, true);
	before = shard_granules();
	pass(span_cls, SPANS);
	/* None but those asked for came from fresh memory. */
	assert_true(shard_granules() <= before + (size_t)4 * granules);
	assert_int_equal(maker->counters.refills, 0);
	assert_true(taker->counters.flushes < SPANS / 2);
	pass(span_cls, SPANS);
	assert_true(maker->counters.refills > 0);
	assert_true(maker->counters.refill_blocks >= 2 * maker->counters.refills);
	made = (unsigned)held(maker, span_cls) + (unsigned)held(taker, span_cls);
	assert_int_equal(shard_granules(), before + (size_t)made * granules);
}

static void drained_heaps_hold_nothing(void **state)
{
	(void)state;
	pass(cls, MANY);
	pass(span_cls, SPANS);
	heap_drain(maker);
	heap_drain(taker);
	assert_int_equal(held(maker, cls) + held(taker, cls), 0);
	assert_int_equal(held(maker, span_cls) + held(taker, span_cls), 0);
}

static void a_double_free_is_reported_by_the_flush(unsigned of)
{
	void *twice = heap_alloc(maker, of, NULL), *other = heap_alloc(maker, of, NULL);
	const char *text = NULL;

	heap_free(taker, of, twice);
	heap_free(taker, of, other);
	heap_free(taker, of, twice);
	for (unsigned at = 0; at < MANY && !text; at++)
		text = TRAP(heap_free(taker, of, heap_alloc(maker, of, NULL)));
	assert_string_equal(text, "double free of");
}

static void a_double_free_of_a_block_is_reported(void **state)
{
	(void)state;
	pass(cls, MANY);
	a_double_free_is_reported_by_the_flush(cls);
}

static void a_double_free_of_a_span_is_reported(void **state)
{
	(void)state;
	pass(span_cls, SPANS);
	a_double_free_is_reported_by_the_flush(span_cls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(blocks_that_pass_one_way_go_in_larger_batches, heaps_make),
		cmocka_unit_test_setup(upkeep_goes_by_blocks_and_not_by_batches, heaps_make),
		cmocka_unit_test_setup(a_few_refills_leave_the_bound, heaps_make),
		cmocka_unit_test_setup(the_bound_is_back_when_a_taker_allocates, heaps_make),
		cmocka_unit_test_setup(the_bound_is_back_when_a_maker_frees, heaps_make),
		cmocka_unit_test_setup(stacks_that_shrink_and_grow_take_no_new_memory, heaps_make),
		cmocka_unit_test_setup(spans_that_pass_one_way_go_several_at_once, heaps_make),
		cmocka_unit_test_setup(drained_heaps_hold_nothing, heaps_make),
		/* Last: each leaves a lock held, of another kind. */
		cmocka_unit_test_setup(a_double_free_of_a_block_is_reported, heaps_make),
		cmocka_unit_test_setup(a_double_free_of_a_span_is_reported, heaps_make),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
