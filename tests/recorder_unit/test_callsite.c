/*
 * Each site has its number, whatever way it is asked for; the fast path knows those asked for last
 * and never gives another's.
 */
#include "unit.h"

#include "recorder/callsite.h"
#include "recorder/host.h"
#include "recorder/member.h"
#include "recorder/notepad.h"

enum { SITES = 20000, WALK = 16, STACK_WORDS = 64 };

static struct host host;
static uint32_t numbers[SITES];

static int open_sites(uint32_t mode)
{
	if (host_open(&host, mode))
		return -1;
	member.session = host.session;
	member.number = session_take_process(host.session);
	member.process = session_process(host.session, member.number);
	atomic_store(&member.process->lanes, SESSION_NONE);
	return notepad_open() && callsite_open(host.session) ? 0 : -1;
}

static int open_addresses(void **state)
{
	(void)state;
	return open_sites(SESSION_ADDRESS);
}

static int open_contexts(void **state)
{
	(void)state;
	return open_sites(SESSION_CONTEXT);
}

static int open_lossy(void **state)
{
	(void)state;
	return open_sites(SESSION_CONTEXT | SESSION_LOSSY);
}

static int close_sites(void **state)
{
	(void)state;
	host_close(&host);
	return 0;
}

/* The return address of a site. Three modules, whose sites meet in the cache. */
static uintptr_t address_of(unsigned site)
{
	static const uintptr_t modules[] = {0x7f0000001000, 0x7f0010001000, 0x550000001000};

	return modules[site % 3] + site / 3 * 0x107;
}

static const struct callsite_view nowhere; /* heights are not wanted */

/* A call from there, whose frame does not matter. */
static uint32_t find_at(uintptr_t addr)
{
	uintptr_t frame[] = {addr, 0};

	return callsite_find(&nowhere, frame + 1, 0);
}

static int64_t known_at(uintptr_t addr)
{
	return callsite_known(&nowhere, addr, 0);
}

static uint32_t find(unsigned site)
{
	return find_at(address_of(site));
}

static int64_t known(unsigned site)
{
	return known_at(address_of(site));
}

/* The cache that is asked. */
static const struct callsite_cache *cache(void)
{
	return (const void *)((char *)callsite_words - offsetof(struct callsite_cache, words));
}

static void test_each_has_its_number(void **state)
{
	static bool given[SITES + 1];
	unsigned remembered = 0;

	(void)state;
	for (unsigned i = 0; i < SITES; i++) {
		numbers[i] = find(i);
		assert_in_range(numbers[i], 1, SITES);
		assert_false(given[numbers[i]]);
		given[numbers[i]] = true;
	}
	for (unsigned round = 0; round < 32; round++)
		for (unsigned i = 0; i < SITES; i++) {
			assert_int_equal(find(i), numbers[i]);
			assert_int_equal(known(i), numbers[i]);
		}
	for (unsigned i = 0; i < SITES; i++) {
		int64_t site = known(i);

		assert_true(site < 0 || site == numbers[i]);
		remembered += site > 0;
	}
	/* As large as the table, which is at most half full; of three that meet, two. */
	assert_int_equal(cache()->mask + 1, 65536);
	assert_in_range(remembered, SITES / 2, SITES * 2 / 3 + 1);
}

static void test_few_that_are_asked_for_have_a_small_cache(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SITES; i++)
		find(i);
	for (unsigned round = 0; round < 100; round++)
		for (unsigned i = 0; i < 6; i++)
			if (known(i) < 0)
				find(i);
	/* Three of them meet, and three. */
	assert_true(cache()->lost);
	assert_int_equal(cache()->mask + 1, 1024);
}

static void test_two_of_a_set_are_known(void **state)
{
	static const uintptr_t distances[] = {(uintptr_t)1 << 20, (uintptr_t)1 << 32};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uintptr_t one = 0x7f0000001000, other = one + distances[i];
		uint32_t number = find_at(one), second = find_at(other);

		assert_int_not_equal(number, second);
		assert_int_equal(find_at(one), number);
		assert_int_equal(find_at(other), second);
		assert_int_equal(known_at(one), number);
		assert_int_equal(known_at(other), second);
	}
}

/* Each in its own place of the set. */
static void test_neighbours_are_known(void **state)
{
	uintptr_t one = 0x7f0000001000, other = one;
	uint32_t number, second;

	(void)state;
	while (((callsite_cue(&nowhere, one, 0) ^ callsite_cue(&nowhere, other, 0)) &
		cache()->mask) != 1)
		other++;
	number = find_at(one);
	second = find_at(other);
	assert_int_equal(find_at(one), number);
	assert_int_equal(find_at(other), second);
	assert_int_equal(known_at(one), number);
	assert_int_equal(known_at(other), second);
}

/* The cues of two addresses, and not only the bits that neither word nor place tells, differ. */
static void test_near_addresses_do_not_meet(void **state)
{
	uint64_t factor = callsite_cue(&nowhere, 1, 0);
	unsigned __int128 circle = (unsigned __int128)1 << 64;

	(void)state;
	factor = factor < -factor ? factor : -factor;
	/* The multiples of the factor next to one of 2^64. */
	for (unsigned turn = 1; turn * circle / factor < (uint64_t)1 << 39; turn++)
		for (unsigned off = 0; off < 2; off++) {
			uint64_t distance = (uint64_t)(turn * circle / factor) + off;
			uint64_t apart = callsite_cue(&nowhere, distance, 0);

			assert_in_range(apart, CALLSITE_MAX + 1, UINT64_MAX - CALLSITE_MAX);
		}
	assert_in_range(factor, CALLSITE_MAX + 1, UINT64_MAX);
}

static void test_forgotten_ones_are_new(void **state)
{
	uint32_t before;

	(void)state;
	find(0);
	before = find(0);
	assert_int_equal(known(0), before);
	callsite_forget();
	assert_true(known(0) < 0);
	assert_true(find(0) > before);
}

static void test_known_once_its_stack_is_copied(void **state)
{
	uintptr_t stack[STACK_WORDS] = {0};
	struct callsite_view view = callsite_look_from((uintptr_t)(stack + STACK_WORDS));
	struct callsite_view above = callsite_look_from(view.begin + 16);
	uint32_t number;

	(void)state;
	*stack = 0x401000;
	number = callsite_find(&view, stack + 1, 0);
	for (int sight = 2; sight <= WALK; sight++) {
		assert_true(callsite_known(&view, *stack, (uintptr_t)(stack + 1)) < 0);
		assert_int_equal(callsite_find(&view, stack + 1, 0), number);
	}
	assert_int_equal(callsite_known(&view, *stack, (uintptr_t)(stack + 1)), number);
	/* The same address on another height is another site. */
	assert_true(callsite_known(&above, *stack, (uintptr_t)(stack + 1)) < 0);
	assert_int_not_equal(callsite_find(&above, stack + 1, 0), number);
}

static uint64_t records_told(void)
{
	return session_published(session_lane(host.session, atomic_load(&member.process->notes)));
}

/* In a lossy session stacks are not told of while calls are dropped for lack of memory. */
static void test_no_copies_without_memory(void **state)
{
	uintptr_t stack[STACK_WORDS] = {0};
	struct callsite_view view = callsite_look_from((uintptr_t)(stack + STACK_WORDS));
	uint32_t chunk, last = SESSION_NONE;
	uint64_t told;

	(void)state;
	*stack = 0x401000;
	callsite_find(&view, stack + 1, 0);
	told = records_told();
	host.session->long_chunks = 0;
	while ((chunk = session_take_chunk(host.session, false)) != SESSION_NONE)
		last = chunk;
	for (int sight = 2; sight <= WALK; sight++)
		callsite_find(&view, stack + 1, 0);
	assert_int_equal(records_told(), told);
	session_give_chunk(host.session, last);
	callsite_find(&view, stack + 1, 0);
	assert_in_range(records_told(), told + STACK_WORDS / 2, told + STACK_WORDS);
}

/* Nothing counts as told that could not be. */
static void test_module_that_was_not_told(void **state)
{
	uintptr_t addr = (uintptr_t)test_module_that_was_not_told;
	uint64_t told = records_told();
	const uint64_t of_a_site =
		(sizeof(struct note_head) + sizeof(struct note_site)) / sizeof(struct record);

	(void)state;
	atomic_store(&host.session->closed, 1);
	assert_int_equal(find_at(addr), 0);
	assert_int_equal(records_told(), told);
	atomic_store(&host.session->closed, 0);
	member.off = false;
	assert_int_not_equal(find_at(addr), 0);
	assert_true(records_told() > told + of_a_site);
}

/* Frames of coroutines and of signal stacks: one site, wherever they lie. */
static void test_outside_of_the_stack(void **state)
{
	/* A page, to whose end a stack outside is copied. */
	static _Alignas(4096) uintptr_t frames[4096 / sizeof(uintptr_t)];
	struct callsite_view view = callsite_look_from((uintptr_t)frames - 4096);
	uint32_t number;

	(void)state;
	for (unsigned i = 0; i < 64; i += 2)
		frames[i] = 0x402000;
	number = callsite_find(&view, frames + 1, 0);
	for (unsigned i = 0; i < 64; i += 2)
		assert_int_equal(callsite_find(&view, frames + i + 1, 0), number);
	for (unsigned i = 0; i < 64; i += 2)
		assert_int_equal(callsite_known(&view, frames[i], (uintptr_t)(frames + i + 1)),
				 number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_has_its_number, open_addresses,
						close_sites),
		cmocka_unit_test_setup_teardown(test_few_that_are_asked_for_have_a_small_cache,
						open_addresses, close_sites),
		cmocka_unit_test_setup_teardown(test_two_of_a_set_are_known, open_addresses,
						close_sites),
		cmocka_unit_test(test_near_addresses_do_not_meet),
		cmocka_unit_test_setup_teardown(test_neighbours_are_known, open_addresses,
						close_sites),
		cmocka_unit_test_setup_teardown(test_forgotten_ones_are_new, open_addresses,
						close_sites),
		cmocka_unit_test_setup_teardown(test_known_once_its_stack_is_copied, open_contexts,
						close_sites),
		cmocka_unit_test_setup_teardown(test_no_copies_without_memory, open_lossy,
						close_sites),
		cmocka_unit_test_setup_teardown(test_module_that_was_not_told, open_addresses,
						close_sites),
		cmocka_unit_test_setup_teardown(test_outside_of_the_stack, open_contexts,
						close_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
