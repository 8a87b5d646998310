/* The map of living blocks against a plain list of them. */
#include "unit.h"

#include "recorder/objects.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum { BLOCKS = 4000, STEPS = 200000 };

static struct {
	uint64_t addr, size, align;
	bool alive;
} model[BLOCKS];

/* Addresses that are dense (every 8 bytes of some spans), spread, and far apart. */
static void make_model(void)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		model[i].alive = false;
		model[i].addr = i < 1000   ? 0x555500000000 + 8 * (uint64_t)i
				: i < 2500 ? 0x7f0000000000 + 208 * (uint64_t)i
					   : 0x10000 + ((uint64_t)i * i << 21);
	}
}

static void flip(struct objects *o, unsigned i, uint64_t random)
{
	struct object object;

	if (model[i].alive) {
		assert_true(objects_take(o, model[i].addr, &object));
		assert_int_equal(object.number, i);
		assert_int_equal(object.size, model[i].size);
		assert_int_equal(object.align, model[i].align);
	} else {
		model[i].size = i < 1000 ? random >> 50 : random % 5 ? random >> 48 : random >> 20;
		model[i].align = random % 3 ? (uint64_t)1 << random % 30 : 0;
		object = (struct object){i, model[i].size, model[i].align};
		assert_int_equal(objects_put(o, model[i].addr, &object), 0);
	}
	model[i].alive = !model[i].alive;
}

static void check_all(const struct objects *from)
{
	struct objects o;
	struct object object;
	uint64_t cursor = 0, addr, seen = 0, alive = 0;

	/* A copy has the same, by walking and by asking. */
	assert_int_equal(objects_copy(&o, from), 0);
	while (objects_next(&o, &cursor, &addr, &object)) {
		assert_int_equal(model[object.number].addr, addr);
		assert_true(model[object.number].alive);
		seen++;
	}
	for (unsigned i = 0; i < BLOCKS; i++) {
		alive += model[i].alive;
		assert_int_equal(objects_take(&o, model[i].addr, &object), model[i].alive);
	}
	assert_int_equal(seen, alive);
	cursor = 0;
	assert_false(objects_next(&o, &cursor, &addr, &object));
	objects_fini(&o);
}

static void test_random_lives(void **state)
{
	struct objects o;
	uint64_t random = 1;

	(void)state;
	make_model();
	assert_int_equal(objects_init(&o), 0);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t number = unit_random(&random);

		flip(&o, (unsigned)(number % BLOCKS), number);
		if (step % (STEPS / 8) == 0)
			check_all(&o);
	}
	check_all(&o);
	objects_fini(&o);
}

static void test_second_life_at_an_address(void **state)
{
	const struct object first = {9, 100, 0}, second = {10, 7, 0};
	struct objects o;
	struct object object;

	(void)state;
	assert_int_equal(objects_init(&o), 0);
	assert_int_equal(objects_put(&o, 4096, &first), 0);
	assert_int_equal(objects_put(&o, 4096, &second), -EEXIST);
	assert_false(objects_take(&o, 4104, &object));
	assert_true(objects_take(&o, 4096, &object));
	assert_int_equal(object.number, 9);
	assert_false(objects_take(&o, 4096, &object));
	objects_fini(&o);
}

/* As far as there is room, and then it is as if nothing had been asked. */
static void test_reaching(void **state)
{
	const struct object object = {0, 1, 0};
	const uint64_t *words;
	struct objects o;
	uint64_t addr = 0x7f0000000000;

	(void)state;
	assert_int_equal(objects_init(&o), 0);
	words = o.words;
	for (; o.nodes_end < o.nodes_room; addr += 4096) {
		assert_in_range(objects_index(&o, addr), 0, OBJECTS_NODE_WORDS - 1);
		assert_int_equal(o.words[objects_reach(&o, addr)], 0);
		assert_int_equal(objects_reach(&o, addr), objects_index(&o, addr));
	}
	assert_int_equal(objects_reach(&o, addr), objects_index(&o, addr));
	assert_int_equal(o.words[objects_reach(&o, addr)], OBJECTS_NOWHERE);
	assert_ptr_equal(o.words, words);
	assert_int_equal(objects_put(&o, addr, &object), 0);
	assert_in_range(objects_index(&o, addr), OBJECTS_NODE_WORDS, SIZE_MAX);
	assert_int_equal(o.words[objects_reach(&o, 0)], OBJECTS_NOWHERE);
	objects_fini(&o);
}

/* A large block has its size in the word behind, which is no block and gives way to one. */
static void test_wide_blocks(void **state)
{
	const struct object wide = {1, (uint64_t)1 << 45, 1 << 20}, inside = {2, 24, 0};
	struct objects o;
	struct object object;

	(void)state;
	assert_int_equal(objects_init(&o), 0);
	/* The word behind lies in another region. */
	assert_int_equal(objects_put(&o, (4 << 20) - 16, &wide), 0);
	assert_false(objects_take(&o, 4 << 20, &object));
	assert_true(objects_take(&o, (4 << 20) - 16, &object));
	assert_memory_equal(&object, &wide, sizeof(wide));
	assert_int_equal(objects_put(&o, 4096, &wide), 0);
	assert_int_equal(objects_put(&o, 4112, &inside), 0);
	assert_true(objects_take(&o, 4096, &object));
	assert_int_equal(object.size, OBJECTS_SIZE_MAX + 1);
	assert_true(objects_take(&o, 4112, &object));
	assert_memory_equal(&object, &inside, sizeof(inside));
	object.number = ((uint64_t)1 << OBJECTS_NUMBER_BITS) - 1;
	assert_int_equal(objects_put(&o, 4096, &object), -EOVERFLOW);
	objects_fini(&o);
}

/* What fits into a word, and what does not. */
static void test_sizes(void **state)
{
	static const uint64_t sizes[] = {
		0, 1, 65535, 65536, 65537, (uint64_t)1 << 32, ((uint64_t)1 << 47) - 1};
	static const uint64_t aligns[] = {0, 1, 16, 4096, 1 << 29};
	struct objects o;

	(void)state;
	assert_int_equal(objects_init(&o), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (size_t k = 0; k < sizeof(aligns) / sizeof(*aligns); k++) {
			struct object object = {((uint64_t)1 << OBJECTS_NUMBER_BITS) - 2, sizes[i],
						aligns[k]};
			struct object found;
			uint64_t cursor = 0, addr;

			assert_int_equal(objects_put(&o, 0x7008, &object), 0);
			assert_true(objects_next(&o, &cursor, &addr, &found));
			assert_int_equal(addr, 0x7008);
			assert_memory_equal(&found, &object, sizeof(found));
			assert_false(objects_next(&o, &cursor, &addr, &found));
			assert_true(objects_take(&o, 0x7008, &found));
			assert_memory_equal(&found, &object, sizeof(found));
			assert_int_equal(o.words[objects_index(&o, 0x7018)], 0);
		}
	/* No program has one. */
	assert_int_equal(objects_put(&o, 0x7008, &(struct object){1, UINT64_MAX, 0}), 0);
	assert_int_equal(objects_put(&o, 0x7008, &(struct object){1, 1, 0}), -EEXIST);
	objects_fini(&o);
}

/* Address space that is used once does not stay in the table. */
static void test_wandering_addresses(void **state)
{
	struct objects o;
	struct object object = {0, 1, 0};

	(void)state;
	assert_int_equal(objects_init(&o), 0);
	for (uint64_t i = 0; i < 200000; i++) {
		object.number = i;
		assert_int_equal(objects_put(&o, 0x10000 + (i << 12), &object), 0);
		assert_true(objects_take(&o, 0x10000 + (i << 12), &object));
	}
	assert_in_range(o.numbers_end, 1, 4 * OBJECTS_BRANCH);
	assert_in_range(o.nodes_end, 1, 8192);
	objects_fini(&o);
}

/* Wherever that is: what none needs any more is used again. */
static void test_wandering_through_regions(void **state)
{
	enum { ALIVE = 1000, REGIONS = 20 };
	struct objects o;
	struct object object = {0, 1, 0};

	(void)state;
	assert_int_equal(objects_init(&o), 0);
	for (uint64_t i = 0; i < REGIONS << 16; i++) {
		object.number = i;
		assert_int_equal(objects_put(&o, ((uint64_t)1 << 32) + (i << 16), &object), 0);
		if (i >= ALIVE)
			assert_true(objects_take(&o, ((uint64_t)1 << 32) + ((i - ALIVE) << 16),
						 &object));
	}
	assert_in_range(o.numbers_end, 1, 8 * OBJECTS_BRANCH);
	assert_in_range(o.nodes_end, 1, 4 * ALIVE);
	objects_fini(&o);
}

/* All alive, and then none, in a region after the other. */
static void test_many_leaves(void **state)
{
	enum { LEAVES = 30000 };
	struct objects o;
	struct object object = {0, 1, 0};

	(void)state;
	assert_int_equal(objects_init(&o), 0);
	for (uint64_t region = 1; region <= 4; region++) {
		for (uint64_t i = 0; i < LEAVES; i++)
			assert_int_equal(objects_put(&o, region << 32 | i << 16, &object), 0);
		for (uint64_t i = 0; i < LEAVES; i++)
			assert_true(objects_take(&o, region << 32 | i << 16, &object));
	}
	assert_in_range(o.numbers_end, LEAVES * OBJECTS_LEAF,
			4 * OBJECTS_BRANCH + 2 * LEAVES * OBJECTS_LEAF);
	objects_fini(&o);
}

/* Numbers at either end of those that are passed over together when they are 0. */
static void test_ends_of_groups(void **state)
{
	static const uint64_t parts[] = {0, 15, 16, 31, 0x7f0f, 0x7f10, 0x7fff};
	enum { PARTS = sizeof(parts) / sizeof(*parts) };
	struct objects o, copy;
	struct object object = {0, 1, 0};
	uint64_t cursor, addr;

	(void)state;
	for (unsigned i = 0; i < PARTS * PARTS; i++) {
		uint64_t at = parts[i % PARTS] << 32 | parts[i / PARTS] << 16 | 0x200;

		assert_int_equal(objects_init(&o), 0);
		assert_int_equal(objects_put(&o, at, &object), 0);
		assert_int_equal(objects_copy(&copy, &o), 0);
		cursor = 0;
		assert_true(objects_next(&copy, &cursor, &addr, &object));
		assert_int_equal(addr, at);
		assert_false(objects_next(&copy, &cursor, &addr, &object));
		objects_fini(&o);
		objects_fini(&copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_lives),
		cmocka_unit_test(test_second_life_at_an_address),
		cmocka_unit_test(test_reaching),
		cmocka_unit_test(test_wide_blocks),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_wandering_addresses),
		cmocka_unit_test(test_wandering_through_regions),
		cmocka_unit_test(test_many_leaves),
		cmocka_unit_test(test_ends_of_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
