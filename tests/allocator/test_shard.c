#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "allocator/shard.h"
#include "allocator/stat.h"
#include "tests/allocator/trap.h"

static int setup(void **state)
{
	(void)state;
	class_init(true, true);
	return window_init() ? 0 : -1;
}

static void runs_do_not_overlap(void **state)
{
	char *run[100];
	bool zero;

	(void)state;
	for (unsigned at = 0; at < 100; at++) {
		run[at] = shard_take(0, SHARD_ANY, 1 + at % 32, 1, &zero);
		assert_non_null(run[at]);
		assert_int_equal((uintptr_t)run[at] % GRANULE, 0);
		memset(run[at], (int)at, (1 + at % 32) << GRANULE_SHIFT);
	}
	for (unsigned at = 0; at < 100; at++) {
		size_t bytes = (size_t)(1 + at % 32) << GRANULE_SHIFT;

		for (size_t byte = 0; byte < bytes; byte += 4096)
			assert_int_equal((unsigned char)run[at][byte], at);
		assert_int_equal((unsigned char)run[at][bytes - 1], at);
		shard_give(run[at], 1 + at % 32);
	}
	assert_int_equal(shard_granules(), 0);
}

static void runs_keep_their_alignment(void **state)
{
	bool zero;
	char *odd = shard_take(0, SHARD_ANY, 1, 1, &zero);

	(void)state;
	for (unsigned align = 1; align <= SEGMENT_GRANULES; align *= 2) {
		char *run = shard_take(0, SHARD_ANY, 3, align, &zero);

		assert_int_equal((uintptr_t)run % ((size_t)align << GRANULE_SHIFT), 0);
		shard_give(run, 3);
	}
	shard_give(odd, 1);
}

static void source_decides_what_a_run_comes_from(void **state)
{
	bool zero;
	char *run, *clean;

	(void)state;
	shard_purge(0, true);
	assert_null(shard_take(0, SHARD_RESIDENT, 2, 1, &zero));
	run = shard_take(0, SHARD_ANY, 2, 1, &zero);
	shard_give(run, 2);
	clean = shard_take(0, SHARD_CLEAN, 2, 1, &zero);
	assert_true(zero);
	assert_ptr_not_equal(clean, run);
	assert_ptr_equal(shard_take(0, SHARD_RESIDENT, 2, 1, &zero), run);
	assert_false(zero);
	assert_null(shard_take(0, SHARD_RESIDENT, 1, 1, &zero));
	shard_give(run, 2);
	shard_give(clean, 2);
}

static void resident_runs_are_taken_and_given_several_at_once(void **state)
{
	bool zero;
	void *run[4], *again[5], *clean = shard_take(0, SHARD_CLEAN, 1, 1, &zero);

	(void)state;
	shard_purge(0, true);
	assert_int_equal(shard_take_resident(0, 2, again, 4), 0);
	for (unsigned at = 0; at < 4; at++) {
		run[at] = shard_take(at % 2, SHARD_ANY, 2, 1, &zero);
		window_set(run[at], class_by_granules[2]);
	}
	shard_give_all(run, 4, 2);
	assert_int_equal(shard_granules(), 1);
	for (unsigned at = 0; at < 4; at++)
		assert_int_equal(window_get(run[at]), 0);
	/* Each to the shard that it came from; of which there are no more. */
	assert_int_equal(shard_take_resident(0, 2, again, 1), 1);
	assert_int_equal(shard_take_resident(0, 2, again + 1, 3), 1);
	assert_int_equal(shard_take_resident(1, 2, again + 2, 3), 2);
	assert_int_equal(shard_granules(), 9);
	shard_give_all(again, 4, 2);
	shard_give(clean, 1);
	shard_purge(1, true);
}

static void zero_is_known_and_dirty_runs_come_first(void **state)
{
	bool zero;
	char *run, *again;

	(void)state;
	shard_purge(0, true);
	run = shard_take(0, SHARD_ANY, 4, 1, &zero);
	assert_true(zero);
	assert_int_equal(run[GRANULE], 0);
	memset(run, 1, 4 * GRANULE);
	shard_give(run, 4);
	again = shard_take(0, SHARD_ANY, 4, 1, &zero);
	assert_ptr_equal(run, again);
	assert_false(zero);
	shard_give(again, 4);
	assert_true(shard_purge(0, true) >= 4 * GRANULE);
	again = shard_take(0, SHARD_ANY, 4, 1, &zero);
	assert_true(zero);
	assert_int_equal(again[GRANULE], 0);
	shard_give(again, 4);
}

static void decay_takes_two_steps(void **state)
{
	bool zero;
	char *keep, *run;

	(void)state;
	shard_purge(0, true);
	keep = shard_take(0, SHARD_ANY, 1, 1, &zero);
	run = shard_take(0, SHARD_ANY, 4, 1, &zero);
	memset(run, 1, 4 * GRANULE);
	shard_give(run, 4);
	assert_int_equal(shard_purge(0, false), 0);
	assert_int_equal(shard_purge(0, false), 4 * GRANULE);
	assert_int_equal(shard_purge(0, false), 0);
	shard_give(keep, 1);
}

static void a_run_grows_into_what_is_free_behind_it(void **state)
{
	bool zero;
	char *run = shard_take(0, SHARD_ANY, 4, 8, &zero), *next;

	(void)state;
	assert_true(shard_extend(run, 4, 2));
	next = shard_take(0, SHARD_ANY, 1, 1, &zero);
	if (next != run + 6 * GRANULE)
		assert_true(shard_extend(run, 6, 1));
	else
		assert_false(shard_extend(run, 6, 1));
	shard_give(next, 1);
	shard_give(run, 6);
}

static void fill(char *run, size_t granules, int value)
{
	for (size_t at = 0; at < granules; at++)
		run[at << GRANULE_SHIFT] = (char)value;
}

/* Runs of two shards, turn about, so that neighbours in the window belong to both. */
static void long_runs_cross_segments_of_their_own_shard(void **state)
{
	static char *run[40];
	struct shard_dirty dirty;

	(void)state;
	for (int round = 0; round < 2; round++) {
		size_t granules = round ? 150 : 70;

		for (int at = 0; at < 40; at++) {
			run[at] = shard_take_run(at % 2, SHARD_ANY, granules, 1, &dirty);
			assert_non_null(run[at]);
			fill(run[at], granules, at);
		}
		for (int at = 0; at < 40; at++) {
			for (size_t granule = 0; granule < granules; granule++) {
				char *ptr = run[at] + (granule << GRANULE_SHIFT);

				assert_int_equal(shard_number(ptr), at % 2);
				assert_int_equal(*ptr, at);
			}
		}
		for (int at = 0; at < 40; at++)
			shard_give(run[at], granules);
	}
	assert_int_equal(shard_granules(), 0);
}

static void a_long_run_tells_which_granules_are_dirty(void **state)
{
	struct shard_dirty dirty;
	char *run, *part;

	(void)state;
	shard_purge(0, true);
	shard_purge(1, true);
	run = shard_take_run(0, SHARD_ANY, 100, 1, &dirty);
	assert_int_equal(dirty.granules, 0);
	part = run + 60 * GRANULE;
	shard_give(part, 10);
	assert_true(shard_extend(run, 60, 10));
	shard_give(part, 10);
	shard_purge(0, true);
	shard_give(run, 60);
	shard_give(part + 10 * GRANULE, 30);
	assert_ptr_equal(shard_take_run(0, SHARD_MAPPED, 100, 1, &dirty), run);
	assert_int_equal(dirty.granules, 90);
	assert_int_equal(__builtin_popcountll(dirty.bits[0]) + __builtin_popcountll(dirty.bits[1]),
			 90);
	assert_null(shard_take_run(0, SHARD_MAPPED, 100, 1, &dirty));
	shard_give(run, 100);
}

static uint64_t purged(void)
{
	struct hak_stats stats = {0};

	stat_sum(&stats, &stat_shared);
	return stats.purged_bytes;
}

static void memory_is_purged_once(void **state)
{
	bool zero;
	char *keep = shard_take(0, SHARD_ANY, 1, 1, &zero), *run[6];
	uint64_t before;

	(void)state;
	shard_purge(0, true);
	before = purged();
	for (unsigned at = 0; at < 6; at++)
		run[at] = shard_take(0, SHARD_ANY, 32, 64, &zero);
	for (unsigned at = 0; at < 6; at++)
		shard_give(run[at], 32);
	/* A step of decay sees the runs; then room is made of four, and decay has but two left. */
	shard_purge(0, false);
	assert_int_equal(purged() - before, 0);
	shard_make_room((size_t)1 << 40);
	assert_int_equal(purged() - before, 4 * 32 * GRANULE);
	shard_purge(0, false);
	shard_purge(0, false);
	assert_int_equal(purged() - before, 6 * 32 * GRANULE);
	shard_give(keep, 1);
}

/* However often it is used again, which decay takes for a sign that it is needed. */
static void what_lies_idle_is_bounded_by_what_was_in_use(void **state)
{
	char *run[16], *keep[16];
	uint64_t before;
	bool zero;

	(void)state;
	shard_purge(0, true);
	for (unsigned at = 0; at < 16; at++) {
		run[at] = shard_take(0, SHARD_ANY, 50, 1, &zero);
		keep[at] = shard_take(0, SHARD_ANY, 14, 1, &zero);
	}
	before = purged();
	for (unsigned at = 0; at < 16; at++)
		shard_give(run[at], 50);
	assert_int_equal(purged() - before, 0);
	/* 224 of 1024 granules are in use, 624 were of late: 1000 may be resident. */
	shard_purge(0, false);
	assert_int_equal(purged() - before, 50 * GRANULE);
	for (unsigned at = 0; at < 16; at++)
		shard_give(keep[at], 14);
}

static void a_run_given_twice_is_reported(void **state)
{
	bool zero;
	char *keep = shard_take(0, SHARD_ANY, 1, 1, &zero),
	     *run = shard_take(0, SHARD_ANY, 2, 1, &zero);

	(void)state;
	shard_give(run, 2);
	assert_string_equal(TRAP(shard_give(run, 2)), "double free of");
	(void)keep;
}

static uint64_t mapped(void)
{
	struct hak_stats stats = {0};

	stat_sum(&stats, &stat_shared);
	return stats.mapped_bytes;
}

static void many_empty_segments_are_unmapped(void **state)
{
	static char *run[64];
	uint64_t before = mapped();
	bool zero;

	(void)state;
	for (int at = 0; at < 64; at++)
		run[at] = shard_take(1, SHARD_ANY, 64, 64, &zero);
	assert_true(mapped() >= before + 63 * SLOT);
	for (int at = 0; at < 64; at++)
		shard_give(run[at], 64);
	assert_true(mapped() <= before + 16 * SLOT);
	shard_purge(1, true);
	assert_int_equal(mapped(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_do_not_overlap),
		cmocka_unit_test(runs_keep_their_alignment),
		cmocka_unit_test(source_decides_what_a_run_comes_from),
		cmocka_unit_test(resident_runs_are_taken_and_given_several_at_once),
		cmocka_unit_test(zero_is_known_and_dirty_runs_come_first),
		cmocka_unit_test(decay_takes_two_steps),
		cmocka_unit_test(a_run_grows_into_what_is_free_behind_it),
		cmocka_unit_test(memory_is_purged_once),
		cmocka_unit_test(what_lies_idle_is_bounded_by_what_was_in_use),
		cmocka_unit_test(many_empty_segments_are_unmapped),
		cmocka_unit_test(long_runs_cross_segments_of_their_own_shard),
		cmocka_unit_test(a_long_run_tells_which_granules_are_dirty),
		/* Last: the trap leaves the shard's lock held. */
		cmocka_unit_test(a_run_given_twice_is_reported),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
