/* What rules do to the blocks of their sites, by key as in a replay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "allocator/hakmem.h"
#include "traces/sitekey.h"

#define COUNT   3000
#define GRANULE 16 /* bits of an address within the least memory that a slab has to itself */

/* Module "m", offset as numbered, height 16. */
enum site { NONE, KEEP, GROW, SHORT, LONG, REMOTE, PINNED, BOTH, SITES };

static const char text[] = "m+1@16 keep\n"
			   "m+2@16 grow=0x2000 # room\n"
			   "m+3@16 life=short\n"
			   "m+4@16 life=long\n"
			   "\n"
			   "# nothing\n"
			   "m+5@16 remote\n"
			   "m+6@16 pool=8 keep\n"
			   "m+7@16 grow=3000000 keep";

static char path[] = "/tmp/hakmem-rules-XXXXXX";

/* Before the allocator's own start. */
__attribute__((constructor(101))) static void rules_write(void)
{
	char variable[64];
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, sizeof(text) - 1) != sizeof(text) - 1)
		_exit(99);
	close(fd);
	snprintf(variable, sizeof(variable), "rules=%s", path);
	setenv("HAKMEM_OPTIONS", variable, 1);
}

static uint64_t key(enum site site)
{
	return site == NONE ? 0 : site_key(site_module_key("m", 1), site, 16);
}

static struct hak_stats stats(void)
{
	struct hak_stats now = {.size = sizeof(now)};

	assert_int_equal(hak_stats_get(&now), 0);
	return now;
}

static void rules_are_read(void **state)
{
	(void)state;
	assert_int_equal(stats().rules_loaded, 7);
	assert_int_equal(stats().rule_calls, 0);
}

static void kept_blocks_come_back_as_they_were(void **state)
{
	struct hak_stats before = stats(), after;
	char *first = hak_malloc_at(100000, key(KEEP)), *second, *zeroed;

	(void)state;
	memset(first, 7, 100000);
	hak_free(first);
	/* Nobody else gets it, whatever else there is. */
	for (int i = 0; i < 50; i++) {
		void *other = hak_malloc_at(100000, key(NONE));

		assert_ptr_not_equal(other, first);
		hak_free(other);
	}
	second = hak_malloc_at(90000, key(KEEP));
	assert_ptr_equal(second, first);
	assert_int_equal(second[99999], 7);
	hak_free(second);
	zeroed = hak_calloc_at(1000, 90, key(KEEP));
	assert_ptr_equal(zeroed, first);
	for (int i = 0; i < 90000; i++)
		assert_int_equal(zeroed[i], 0);
	hak_free(zeroed);
	after = stats();
	assert_int_equal(after.rule_keep_hits - before.rule_keep_hits, 2);
	assert_int_equal(after.rule_calls - before.rule_calls, 3);
	assert_int_equal(hak_trim(0), 1);
	assert_int_equal(stats().rule_keep_hits, after.rule_keep_hits);
}

static void no_more_is_kept_than_was_once_alive(void **state)
{
	enum { ALIVE = 5 };
	struct hak_stats before = stats(), after;
	void *blocks[ALIVE];

	(void)state;
	for (int round = 1; round <= 20; round++) {
		for (int i = 0; i < ALIVE; i++)
			blocks[i] = hak_malloc_at((size_t)round << 20, key(KEEP));
		for (int i = 0; i < ALIVE; i++)
			hak_free(blocks[i]);
	}
	after = stats();
	assert_true(after.mapped_bytes - before.mapped_bytes <= ALIVE * ((size_t)21 << 20));
	hak_trim(0);
	assert_true(stats().mapped_bytes <= before.mapped_bytes);
}

static void room_makes_growth_free(void **state)
{
	struct hak_stats before = stats();
	char *block = hak_malloc_at(10, key(GROW));

	(void)state;
	for (size_t size = 20; size <= 0x2000; size += 300)
		assert_ptr_equal(hak_realloc_at(block, size, key(GROW)), block);
	assert_true(stats().rule_grow_hits - before.rule_grow_hits >= 10);
	strcpy(block, "kept");
	block = hak_realloc_at(block, 200000, key(GROW));
	assert_string_equal(block, "kept");
	/* Without the rule a block that is less than half used moves. */
	assert_ptr_not_equal(hak_realloc_at(block, 100, key(NONE)), block);
}

static void room_and_keeping_go_together(void **state)
{
	char *block = hak_malloc_at(10, key(BOTH)), *again;

	(void)state;
	again = hak_realloc_at(block, 2900000, key(BOTH));
	assert_ptr_equal(again, block);
	hak_free(again);
	assert_ptr_equal(hak_calloc_at(1, 3, key(BOTH)), block);
}

static int by_granule(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a >> GRANULE, y = *(const uintptr_t *)b >> GRANULE;

	return x < y ? -1 : x > y;
}

/* No granule holds blocks of two sites. */
static void assert_apart(uintptr_t (*blocks)[COUNT], unsigned sites)
{
	for (unsigned one = 0; one < sites; one++)
		qsort(blocks[one], COUNT, sizeof(**blocks), by_granule);
	for (unsigned one = 0; one < sites; one++)
		for (unsigned other = 0; other < sites; other++)
			for (unsigned i = 0; one != other && i < COUNT; i++)
				assert_null(bsearch(&blocks[one][i], blocks[other], COUNT,
						    sizeof(**blocks), by_granule));
}

static void *free_all(void *blocks)
{
	for (int i = 0; i < COUNT; i++)
		hak_free(((void **)blocks)[i]);
	return NULL;
}

static void pools_never_share_a_slab(void **state)
{
	static const enum site sites[] = {NONE, SHORT, LONG, REMOTE, PINNED};
	enum { MANY = sizeof(sites) / sizeof(*sites) };
	static uintptr_t blocks[MANY][COUNT];

	(void)state;
	/* Freed here, then by another thread: what is freed stays with its pool. */
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < COUNT; i++)
			for (int site = 0; site < MANY; site++)
				blocks[site][i] = (uintptr_t)hak_malloc_at(i % 3 ? 40 : 200,
									   key(sites[site]));
		assert_apart(blocks, MANY);
		for (int site = 0; site < MANY; site++) {
			pthread_t thread;

			if (round == 0) {
				free_all(blocks[site]);
				continue;
			}
			assert_int_equal(pthread_create(&thread, NULL, free_all, blocks[site]), 0);
			pthread_join(thread, NULL);
		}
	}
	assert_int_equal(stats().rule_pool_blocks, 3 * COUNT * (MANY - 1));
}

static void other_calls_obey_too(void **state)
{
	struct hak_stats before = stats();
	void *block = hak_memalign_at(256, 100, key(SHORT));
	unsigned char *zeroed = hak_calloc_at(10, 10, key(SHORT));

	(void)state;
	assert_int_equal((uintptr_t)block % 256, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(zeroed[i], 0);
	zeroed = hak_realloc_at(zeroed, 5000, key(SHORT));
	assert_int_equal(zeroed[99], 0);
	assert_null(hak_realloc_at(zeroed, 0, key(SHORT))); /* a free: not served */
	assert_int_equal((uintptr_t)hak_valloc_at(100, key(SHORT)) % 4096, 0);
	assert_null(hak_malloc_at((size_t)-1, key(SHORT)));
	assert_null(hak_malloc_at((size_t)-1, key(BOTH)));
	assert_int_equal(stats().rule_calls - before.rule_calls, 6);
	assert_int_equal(stats().rule_pool_blocks - before.rule_pool_blocks, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read),
		cmocka_unit_test(kept_blocks_come_back_as_they_were),
		cmocka_unit_test(no_more_is_kept_than_was_once_alive),
		cmocka_unit_test(room_makes_growth_free),
		cmocka_unit_test(room_and_keeping_go_together),
		cmocka_unit_test(pools_never_share_a_slab),
		cmocka_unit_test(other_calls_obey_too),
	};

	unlink(path);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
