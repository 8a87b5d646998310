/* The system refuses: every call must fail cleanly, and work again when the system relents. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "allocator/hakmem.h"
#include "allocator/os.h"
#include "allocator/shard.h"

static long maps_left = -1; /* negative: no limit */
static bool moves_refused = true;
static bool purges_refused;
static unsigned purges; /* asked for */

void *__real_os_map(size_t bytes);
int __real_os_map_at(void *addr, size_t bytes);
bool __real_os_purge(void *addr, size_t bytes);
bool __real_os_move(void *addr, size_t old_bytes, void *target, size_t bytes);
bool __real_os_lift(void *addr, size_t old_bytes, void *target, size_t bytes);
bool __real_os_resize(void *addr, size_t old_bytes, size_t bytes);
void *__wrap_os_map(size_t bytes);
int __wrap_os_map_at(void *addr, size_t bytes);
bool __wrap_os_purge(void *addr, size_t bytes);
bool __wrap_os_move(void *addr, size_t old_bytes, void *target, size_t bytes);
bool __wrap_os_lift(void *addr, size_t old_bytes, void *target, size_t bytes);
bool __wrap_os_resize(void *addr, size_t old_bytes, size_t bytes);

static bool refused(void)
{
	if (maps_left > 0)
		maps_left--;
	return maps_left == 0;
}

void *__wrap_os_map(size_t bytes)
{
	return refused() ? NULL : __real_os_map(bytes);
}

int __wrap_os_map_at(void *addr, size_t bytes)
{
	return refused() ? -ENOMEM : __real_os_map_at(addr, bytes);
}

bool __wrap_os_purge(void *addr, size_t bytes)
{
	purges++;
	return purges_refused || refused() ? false : __real_os_purge(addr, bytes);
}

bool __wrap_os_move(void *addr, size_t old_bytes, void *target, size_t bytes)
{
	return moves_refused ? false : __real_os_move(addr, old_bytes, target, bytes);
}

bool __wrap_os_lift(void *addr, size_t old_bytes, void *target, size_t bytes)
{
	return moves_refused ? false : __real_os_lift(addr, old_bytes, target, bytes);
}

bool __wrap_os_resize(void *addr, size_t old_bytes, size_t bytes)
{
	return moves_refused ? false : __real_os_resize(addr, old_bytes, bytes);
}

/* The first segment is mapped from the start; nothing comes after it until the system relents. */
static void the_first_segment_is_all_there_is(void **state)
{
	void *blocks[5], *ptr;
	unsigned count = 0;

	(void)state;
#ifdef __SANITIZE_THREAD__
	/* Nothing may lie where it would be: it comes with the first block. */
	hak_free(hak_malloc((size_t)1 << 20));
#endif
	maps_left = 0;
	errno = 0;
	while (count < 5 && (blocks[count] = hak_malloc((size_t)1 << 20)))
		count++;
	assert_int_equal(count, 4);
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(hak_malloc(10));
	assert_int_equal(errno, ENOMEM);
	hak_free(NULL);
	maps_left = -1;
	ptr = hak_malloc(10);
	assert_non_null(ptr);
	hak_free(ptr);
	while (count)
		hak_free(blocks[--count]);
}

/* Each refusal at another call: whatever is half done must not be left so. */
static void any_call_may_fail(void **state)
{
	static void *block[4000];

	(void)state;
	for (long allowed = 1; allowed < 60; allowed++) {
		int count = 0, failed = 0;

		maps_left = allowed;
		for (; count < 4000; count++) {
			size_t size = (size_t)(count * 7919) % (count % 10 ? 40000 : 4 << 20);

			errno = 0;
			block[count] = count % 3 ? hak_malloc(size) : hak_calloc(1, size);
			if (!block[count]) {
				assert_int_equal(errno, ENOMEM);
				failed++;
			} else {
				memset(block[count], 1, size < 100 ? size : 100);
			}
		}
		assert_true(failed > 0);
		for (int at = 0; at < count; at++)
			hak_free(block[at]);
		maps_left = -1;
		hak_trim(0);
		block[0] = hak_malloc(1 << 20);
		assert_non_null(block[0]);
		hak_free(block[0]);
	}
}

/* A request that nobody could serve costs the program none of its warm pages. */
static void a_hopeless_request_purges_nothing(void **state)
{
	struct hak_stats before = {.size = sizeof(before)}, after = {.size = sizeof(after)};
	char *ptr = hak_malloc(1 << 20);

	(void)state;
	memset(ptr, 1, 1 << 20);
	hak_free(ptr);
	hak_stats_get(&before);
	for (int at = 0; at < 10; at++)
		assert_null(hak_malloc(PTRDIFF_MAX - 4096));
	assert_null(hak_memalign((size_t)1 << 62, 100));
	hak_stats_get(&after);
	assert_int_equal(after.purge_calls, before.purge_calls);
	assert_int_equal(after.purged_bytes, before.purged_bytes);
}

/* As of locked pages: a step of decay may ask for each run, but not every run that is taken. */
static void what_is_not_taken_back_is_left_alone(void **state)
{
	void *run[16], *keep[16], *again;
	unsigned asked;
	bool zero;

	(void)state;
	for (int at = 0; at < 16; at++) {
		run[at] = shard_take(1, SHARD_ANY, 32, 1, &zero);
		keep[at] = shard_take(1, SHARD_ANY, 32, 1, &zero);
	}
	for (int at = 0; at < 16; at++)
		shard_give(run[at], 32);
	purges_refused = true;
	for (int step = 0; step < 20; step++) {
		asked = purges;
		assert_int_equal(shard_purge(1, false), 0);
		assert_in_range(purges - asked, 0, 16 + 1);
		asked = purges;
		for (int at = 0; at < 100; at++) {
			again = shard_take(1, SHARD_ANY, 32, 1, &zero);
			assert_false(zero);
			shard_give(again, 32);
		}
		assert_in_range(purges - asked, 0, 1);
	}
	purges_refused = false;
	assert_int_equal(shard_purge(1, true), 16 * 32 * GRANULE);
	for (int at = 0; at < 16; at++)
		shard_give(keep[at], 32);
	shard_purge(1, true);
}

static void *thread_of_one_block(void *size)
{
	hak_free(hak_malloc((size_t)size));
	return NULL;
}

static void *fill(size_t size)
{
	void *list = NULL, *ptr;

	while ((ptr = hak_malloc(size))) {
		*(void **)ptr = list;
		list = ptr;
	}
	return list;
}

static void *list_drop(void *list)
{
	void *next = *(void **)list;

	hak_free(list);
	return next;
}

static uint64_t heaps_drained(void)
{
	struct hak_stats stats = {.size = sizeof(stats)};

	hak_stats_get(&stats);
	return stats.heaps_drained;
}

/* Refused again and again, a thread drains all dead threads' heaps only if something came back. */
static void refusals_look_for_idle_memory_once(void **state)
{
	pthread_t thread;
	void *large, *small;
	uint64_t before;
	int dropped = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, thread_of_one_block, (void *)100), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	hak_trim(0);
	maps_left = 4;
	large = fill(30000);
	small = fill(100);
	before = heaps_drained();
	for (int at = 0; at < 100; at++) {
		assert_null(hak_malloc(100));
		assert_null(hak_memalign(64, 100));
		assert_null(hak_malloc(1 << 20));
	}
	assert_int_equal(heaps_drained(), before);
	/* This thread caches them: once the eight of a slab are free, they serve another size. */
	for (void *ptr = NULL; !ptr; dropped++) {
		assert_in_range(dropped, 0, 7);
		large = list_drop(large);
		ptr = hak_malloc(100);
		hak_free(ptr);
	}
	maps_left = -1;
	while (large)
		large = list_drop(large);
	while (small)
		small = list_drop(small);
	hak_trim(0);
}

static void realloc_falls_back_to_copying(void **state)
{
	char *ptr = hak_malloc(3 << 20), *wall = hak_malloc(3 << 20);

	(void)state;
	strcpy(ptr, "copied");
	ptr = hak_realloc(ptr, 9 << 20);
	assert_string_equal(ptr, "copied");
	ptr = hak_realloc(ptr, 40 << 20);
	assert_string_equal(ptr, "copied");
	ptr = hak_realloc(ptr, 60 << 20);
	assert_string_equal(ptr, "copied");
	maps_left = 0;
	assert_null(hak_realloc(ptr, 90 << 20));
	assert_string_equal(ptr, "copied");
	maps_left = -1;
	hak_free(ptr);
	hak_free(wall);
}

/* Addresses that the process has mapped, bytes. */
static size_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	return pages * os_page();
}

/* Within a limit, what lies idle in one part of the allocator serves a block of another. */
static void idle_memory_makes_room_within_a_limit(void **state)
{
	struct rlimit old, limit;
	void *ptr;

	(void)state;
	hak_free(hak_malloc(30 << 20));
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	limit = old;
	limit.rlim_cur = address_space() + (20 << 20);
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	ptr = hak_malloc(45 << 20);
	assert_non_null(ptr);
	assert_null(hak_malloc(45 << 20));
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	hak_free(ptr);
}

/* The same for a Whale that grows, with no need of a copy. */
static void idle_memory_lets_a_whale_grow(void **state)
{
	struct rlimit old, limit;
	char *ptr = hak_malloc(100 << 20);

	(void)state;
	strcpy(ptr, "kept");
	hak_free(hak_malloc(45 << 20));
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	limit = old;
	limit.rlim_cur = address_space() + (10 << 20);
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	moves_refused = false;
	ptr = hak_realloc(ptr, 140 << 20);
	moves_refused = true;
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	assert_non_null(ptr);
	assert_string_equal(ptr, "kept");
	hak_free(ptr);
}

/* The same for small blocks, which need a segment where there are kept Whales. */
static void kept_whales_make_room_for_small_blocks(void **state)
{
	struct rlimit old, limit;
	void *live = hak_malloc(200 << 20), *later = hak_malloc(60 << 20), *list = NULL, *ptr;
	size_t bytes = 0;

	(void)state;
	hak_free(hak_malloc(60 << 20));
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	limit = old;
	limit.rlim_cur = address_space();
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	while ((ptr = hak_malloc(30000))) {
		*(void **)ptr = list;
		list = ptr;
		bytes += 30000;
	}
	/* Nor is one forgotten that was freed since it looked for what lies idle. */
	hak_free(later);
	ptr = hak_malloc(30000);
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	assert_non_null(ptr);
	hak_free(ptr);
	assert_true(bytes >= 50 << 20);
	for (; list; list = ptr) {
		ptr = *(void **)list;
		hak_free(list);
	}
	hak_free(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_segment_is_all_there_is),
		cmocka_unit_test(any_call_may_fail),
		cmocka_unit_test(a_hopeless_request_purges_nothing),
		cmocka_unit_test(what_is_not_taken_back_is_left_alone),
		cmocka_unit_test(refusals_look_for_idle_memory_once),
		cmocka_unit_test(realloc_falls_back_to_copying),
		cmocka_unit_test(idle_memory_makes_room_within_a_limit),
		cmocka_unit_test(idle_memory_lets_a_whale_grow),
		cmocka_unit_test(kept_whales_make_room_for_small_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
