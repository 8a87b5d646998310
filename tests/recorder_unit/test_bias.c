/*
 * The bias: who has it and who ends it, and that the ranks of the records about a block never fall
 * while it goes from lane to lane at any moment, whether hakrec was right to offer it or not.
 */
#include "unit.h"

#include "recorder/host.h"
#include "recorder/pen.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { LANES = 3, THREADS = 4, BLOCKS = 64, RECORDS = 300000 };

static struct host host;
static struct track tracks[LANES];

static int open_process(void **state)
{
	(void)state;
	memset(tracks, 0, sizeof(tracks));
	if (host_open(&host, SESSION_CONTEXT | SESSION_KEPT))
		return -1;
	member.session = host.session;
	member.number = session_take_process(host.session);
	member.process = session_process(host.session, member.number);
	atomic_store(&member.process->lanes, SESSION_NONE);
	atomic_store(&member.process->lone, 0);
	bias_reset();
	for (int i = 0; i < LANES; i++)
		if (!track_open(tracks + i))
			return -1;
	return pen_prepare() && clock_open(host.session) ? 0 : -1;
}

static int close_process(void **state)
{
	(void)state;
	host_close(&host);
	return 0;
}

/* The lane heeds, and goes to the rank that it takes; steps: of the clock it was at. */
static uint64_t heed(int lane, uint64_t steps, uint64_t *word)
{
	struct session_lane *l = tracks[lane].lane;
	uint64_t rank = rank_make(steps * CLOCK_STEP, session_lane_number(host.session, l));

	*word = bias_heed(l, &rank);
	l->rank = rank;
	return rank_clock(rank) / CLOCK_STEP;
}

static void claim(int lane)
{
	bias_claim(tracks[lane].lane);
}

static void offer(int lane)
{
	member.process->lone = session_lane_number(host.session, tracks[lane].lane) + 1;
}

static void test_first_lane_has_it(void **state)
{
	uint64_t first, again;

	(void)state;
	assert_int_equal(heed(0, 10, &first), 10);
	assert_true(first & BIAS_HELD);
	assert_int_equal(first, bias_now());
	assert_int_equal(heed(0, 20, &again), 20);
	assert_int_equal(again, first);
}

static void test_another_ends_it(void **state)
{
	uint64_t first, second, third, word;

	(void)state;
	heed(0, 10, &first);
	heed(0, 100, &first);
	/* A greater lane may have the same clock. */
	assert_int_equal(heed(1, 10, &second), 100);
	assert_false(second & BIAS_HELD);
	assert_int_equal(heed(2, 10, &third), 100);
	assert_int_equal(third, second);
	assert_int_equal(heed(0, 150, &word), 150);
	assert_int_equal(word, second);
}

static void test_is_claimed_when_offered(void **state)
{
	uint64_t word, first, second, third;

	(void)state;
	heed(0, 30, &first);
	heed(2, 70, &word);
	claim(1);
	assert_false(bias_now() & BIAS_HELD);
	offer(1);
	claim(0);
	assert_false(bias_now() & BIAS_HELD);
	claim(1);
	assert_true(bias_now() & BIAS_HELD);
	/* Above every lane. */
	assert_int_equal(heed(1, 10, &second), 71);
	assert_int_equal(second, bias_now());
	offer(0);
	claim(0);
	assert_int_equal(bias_now(), second);
	heed(1, 200, &word);
	assert_int_equal(heed(0, 40, &word), 201);
	/* What was offered before another ended it is not offered any more. */
	claim(0);
	assert_false(bias_now() & BIAS_HELD);
	offer(0);
	claim(0);
	assert_int_equal(heed(0, 40, &third), 201);
	/* A word never comes again. */
	assert_true(third & BIAS_HELD && third != first && third != second);
	assert_int_equal(heed(2, 40, &word), 201);
}

static void test_lane_that_was_cut_off(void **state)
{
	static struct session_lane nowhere;
	uint64_t word, rank = 5;

	(void)state;
	bias_heed(&nowhere, &rank);
	assert_int_equal(bias_now(), 0);
	heed(0, 10, &word);
	bias_claim(&nowhere);
	bias_heed(&nowhere, &rank);
	assert_int_equal(bias_now(), word);
	assert_int_equal(rank, 5);
}

/* ---- pens ---- */

static bool is_alone(const struct pen *p)
{
	uint64_t written;

	return pen_alone(p, &written);
}

/* Records until there is room for some more at once. */
static void write(struct pen *p)
{
	struct session_lane *lane = p->track.lane;

	do
		assert_true(pen_write(p, 64, record_head(TRACE_MALLOC, 64), record_rest(0, 8)));
	while (lane->written >= lane->limit);
}

static void test_fast_path_while_it_lasts(void **state)
{
	uint32_t numbers[2] = {0};
	struct pen *one = pen_open(numbers, 1, 0), *other;

	(void)state;
	write(one);
	assert_true(is_alone(one));
	session_poke(one->track.lane);
	assert_false(is_alone(one));
	write(one);
	assert_true(is_alone(one));
	other = pen_open(numbers + 1, 2, 0);
	assert_false(is_alone(one));
	write(one);
	write(other);
	assert_false(is_alone(one));
	assert_false(is_alone(other));
	member.process->lone = session_lane_number(host.session, other->track.lane) + 1;
	session_poke(other->track.lane);
	write(other);
	assert_true(is_alone(other));
	assert_false(is_alone(one));
	pen_close(one);
	pen_close(other);
}

/* Whoever ends a bias may be stopped between the word and the lane that had it. */
static void test_ended_by_one_that_came_no_further(void **state)
{
	uint32_t numbers[2] = {0};
	struct pen *one = pen_open(numbers, 1, 0), *other;

	(void)state;
	write(one);
	bias_word &= ~BIAS_HELD;
	assert_true(is_alone(one));
	other = pen_open(numbers + 1, 2, 0);
	assert_false(is_alone(one));

	member.process->lone = session_lane_number(host.session, one->track.lane) + 1;
	session_poke(one->track.lane);
	write(one);
	bias_word &= ~BIAS_HELD;
	assert_true(is_alone(one));
	member.process->lone = session_lane_number(host.session, other->track.lane) + 1;
	bias_claim(other->track.lane);
	assert_true(bias_word & BIAS_HELD);
	assert_false(is_alone(one));
	pen_close(one);
	pen_close(other);
}

/* ---- many threads ---- */

static struct {
	pthread_mutex_t mutex;
	uint64_t rank; /* of the last record about it */
} blocks[BLOCKS];
static _Atomic unsigned running, fallen;
static _Atomic uint64_t alone;

/* As a hook does. */
static void record(struct pen *p, uint64_t addr)
{
	uint64_t written;

	if (pen_alone(p, &written))
		alone++;
	if (pen_alone(p, &written) || pen_pass(p, addr, &written))
		pen_put(p, written, TRACE_MALLOC, addr, 0, 8);
	else
		assert_true(pen_write(p, addr, record_head(TRACE_MALLOC, addr), record_rest(0, 8)));
}

static void *exchange(void *context)
{
	uint64_t random = (uintptr_t)context;
	uint32_t number = 0;
	struct pen *p = pen_open(&number, random, 0);

	running++;
	for (unsigned i = 0; i < RECORDS; i++) {
		uint64_t block = unit_random(&random) % BLOCKS;

		pthread_mutex_lock(&blocks[block].mutex);
		record(p, (block + 1) << 6);
		if (pen_rank(p) < blocks[block].rank)
			fallen++;
		blocks[block].rank = pen_rank(p);
		pthread_mutex_unlock(&blocks[block].mutex);
	}
	running--;
	pen_close(p);
	return NULL;
}

static void test_ranks_of_a_block_never_fall(void **state)
{
	pthread_t threads[THREADS];
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < BLOCKS; i++)
		pthread_mutex_init(&blocks[i].mutex, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(threads + i, NULL, exchange, (void *)(i + 1)), 0);
	do {
		uint32_t lanes = atomic_load(&host.session->lanes_made);

		atomic_store(&member.process->lone, unit_random(&random) % lanes + 1);
		/* As hakrec sends lanes onto the slow path. */
		for (uint32_t i = 0; i < lanes; i++)
			session_poke(session_lane(host.session, i));
		sched_yield();
	} while (running);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fallen, 0);
	print_message("under the bias: %ju of %d\n", (uintmax_t)alone, THREADS * RECORDS);
}

#define IN_PROCESS(test) cmocka_unit_test_setup_teardown(test, open_process, close_process)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PROCESS(test_first_lane_has_it),
		IN_PROCESS(test_another_ends_it),
		IN_PROCESS(test_is_claimed_when_offered),
		IN_PROCESS(test_lane_that_was_cut_off),
		IN_PROCESS(test_fast_path_while_it_lasts),
		IN_PROCESS(test_ended_by_one_that_came_no_further),
		IN_PROCESS(test_ranks_of_a_block_never_fall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
