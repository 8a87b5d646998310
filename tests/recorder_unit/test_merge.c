/*
 * Lanes written with random clocks and merged: every record once, in the order of the ranks; and
 * records that rest on one of another lane, whatever the clocks say.
 */
#include "unit.h"

#include "recorder/host.h"
#include "recorder/member.h"
#include "recorder/merge.h"
#include "recorder/track.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LANES = 5, RECORDS = 20000, PATIENCE_S = 20 };
enum { AHEAD = TRACK_AHEAD / sizeof(struct record) };
enum { LONGS = 3 }; /* long chunks: most lanes have to go on in short ones */

static struct host host;
static struct track tracks[LANES];
static struct merge merge;

/* What was dealt with. */
static uint64_t last_rank, dealt, forced;
static bool born[RECORDS];
static bool check_order;
static uint64_t stop_after; /* so many in a run; 0: never */

/* size: the record that this one rests on, plus one; 0: none. */
static enum merge_stop deal(void *context, struct inlet *in, uint64_t rank, uint64_t most,
			    bool force)
{
	(void)context;
	for (; most; most--) {
		uint64_t rests_on = record_size(in->head);

		merge.stopped = stop_after && merge.dealt == stop_after;
		if (merge.stopped)
			break;
		if (rests_on && !born[rests_on - 1]) {
			if (!force)
				return MERGE_WAIT;
			forced++;
		}
		if (check_order) {
			assert_in_range(in->rank, last_rank, UINT64_MAX);
			last_rank = in->rank;
		}
		assert_false(born[record_addr(in->head)]);
		born[record_addr(in->head)] = true;
		dealt++;
		merge.dealt++;
		inlet_advance(in, 1);
		if (!inlet_ready(in))
			return MERGE_EMPTY;
		if (in->rank > rank)
			break;
	}
	return MERGE_ENOUGH;
}

static int open_lanes(void **state)
{
	(void)state;
	if (host_open(&host, SESSION_CONTEXT))
		return -1;
	member.session = host.session;
	host.session->long_chunks = LONGS;
	member.number = session_take_process(host.session);
	member.process = session_process(host.session, member.number);
	atomic_store(&member.process->lanes, SESSION_NONE);
	merge = (struct merge){.deal = deal};
	memset(born, 0, sizeof(born));
	last_rank = dealt = forced = 0;
	check_order = true;
	stop_after = 0;
	for (int i = 0; i < LANES; i++) {
		struct inlet *in = malloc(sizeof(*in));

		tracks[i] = (struct track){.patient = true};
		if (!track_open(&tracks[i]))
			return -1;
		inlet_open(in, host.session, session_lane_number(host.session, tracks[i].lane));
		merge_add(&merge, in);
	}
	return 0;
}

static int close_lanes(void **state)
{
	(void)state;
	merge_fini(&merge);
	host_close(&host);
	return 0;
}

static void put(int lane, uint64_t word0, uint64_t word1)
{
	struct record *place = track_place(&tracks[lane]);

	assert_non_null(place);
	*place = (struct record){.word = {word0, word1}};
	track_publish(&tracks[lane]);
}

/* Record number with a clock of at least so many steps. */
static void write_record(int lane, uint64_t number, uint64_t steps, uint64_t rests_on)
{
	uint64_t clock = steps * CLOCK_STEP;

	if (clock > rank_clock(tracks[lane].lane->rank)) {
		put(lane, record_head(RECORD_JUMP, 0), clock);
		tracks[lane].lane->rank = rank_raise(tracks[lane].lane->rank, rank_make(clock, 0));
	}
	put(lane, record_head(TRACE_MALLOC, number), record_rest(0, rests_on));
}

/* Deals with what was seen, up to a clock of so many steps. */
static uint64_t run(uint64_t steps)
{
	merge_run(&merge, rank_last(steps * CLOCK_STEP));
	return merge.dealt;
}

static void test_order_of_ranks(void **state)
{
	uint64_t random = 5, now = 1;

	(void)state;
	for (uint64_t i = 0; i < RECORDS; i++) {
		uint64_t number = unit_random(&random);

		now += number >> 60;
		write_record((int)(number % LANES), i, now, 0);
		if (number % 1000 == 0) {
			/* All records up to now are published. */
			merge_look(&merge);
			run(now - 1);
		}
	}
	merge_look(&merge);
	merge_run(&merge, UINT64_MAX);
	assert_int_equal(dealt, RECORDS);
	assert_int_equal(forced, 0);
	/* Of both kinds of chunks, and given back in between. */
	assert_int_equal(host.session->long_made, LONGS);
	assert_in_range(host.session->chunks_made, LANES + 1, RECORDS / CHUNK_RECORDS);
}

static void test_waits_for_what_it_rests_on(void **state)
{
	(void)state;
	check_order = false;
	/* Record 1 rests on 0, whose clock is greater and which comes later. */
	write_record(0, 1, 10, 1);
	write_record(0, 2, 11, 0);
	write_record(1, 3, 12, 0);
	merge_look(&merge);
	assert_int_equal(run(100), 1);
	assert_true(born[3]);
	write_record(1, 0, 50, 0);
	merge_look(&merge);
	assert_int_equal(run(100), 3);
	assert_int_equal(forced, 0);
}

static void test_is_forced_when_nothing_can_come(void **state)
{
	(void)state;
	check_order = false;
	write_record(0, 1, 10, 1);
	merge_look(&merge);
	assert_int_equal(run(100), 0);
	/* Seen by two looks: what it rests on would have been seen by now. */
	merge_look(&merge);
	assert_int_equal(run(100), 1);
	assert_int_equal(forced, 1);
}

/* What others have yet to write, up to a rank, comes before what is beyond it: a fork must find
 * their blocks. */
static void test_order_while_one_is_forced(void **state)
{
	(void)state;
	write_record(0, 1, 10, 1);
	merge_look(&merge);
	assert_int_equal(run(5), 0);
	write_record(1, 2, 60, 0);
	merge_look(&merge);
	assert_int_equal(run(20), 1);
	assert_int_equal(forced, 1);
	write_record(2, 3, 55, 0);
	merge_look(&merge);
	assert_int_equal(run(100), 2);
}

/* What a record rests on may stand behind one that waits in vain and is not settled yet. */
static void test_is_not_forced_before_its_time(void **state)
{
	(void)state;
	check_order = false;
	write_record(1, 3, 12, 2 + 1);
	merge_look(&merge);
	assert_int_equal(run(5), 0);
	write_record(0, 1, 10, 1);
	write_record(0, 2, 11, 0);
	merge_look(&merge);
	assert_int_equal(run(20), 0);
	merge_look(&merge);
	assert_int_equal(run(20), 3);
	assert_int_equal(forced, 1);
}

static void test_chain_over_lanes(void **state)
{
	(void)state;
	check_order = false;
	/* 0 rests on 1, 1 on 2, ...: each in another lane, in the worst order. */
	for (uint64_t i = 0; i < LANES; i++)
		write_record((int)i, i, 10 + i, i + 1 < LANES ? i + 2 : 0);
	merge_look(&merge);
	assert_int_equal(run(100), LANES);
	assert_int_equal(forced, 0);
}

/* A run that is stopped leaves the rest to the next, in order. */
static void test_stopped(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		write_record((int)(i % LANES), i, 10 + i, 0);
	/* It rests on what comes never. */
	write_record(0, 100, 1000, 102);
	stop_after = 7;
	for (uint64_t i = 1; i <= 14; i++) {
		merge_look(&merge);
		merge_run(&merge, UINT64_MAX);
		assert_int_equal(merge.dealt, 7);
		assert_int_equal(dealt, 7 * i);
	}
	stop_after = 2;
	merge_look(&merge);
	merge_run(&merge, UINT64_MAX);
	assert_int_equal(merge.dealt, 2);
	assert_int_equal(forced, 0);
	stop_after = 0;
	merge_run(&merge, UINT64_MAX);
	assert_int_equal(merge.dealt, 1);
	assert_int_equal(forced, 1);
}

static void test_broken_lane_is_left_alone(void **state)
{
	(void)state;
	write_record(0, 1, 1, 0);
	write_record(1, 2, 2, 0);
	atomic_store(&tracks[0].lane->first, 0xfffffff0);
	merge_look(&merge);
	assert_int_equal(run(100), 1);
	assert_true(born[2]);
}

/* The next thread goes on in the chunk that the one before left, short or long. */
static void test_lane_handed_on(void **state)
{
	const uint64_t ends[] = {CHUNK_RECORDS + 7, LONG_RECORDS + 7, 2 * LONG_RECORDS + 7};
	uint64_t number = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		while (number < ends[i])
			write_record(0, number++, 1, 0);
		track_close(&tracks[0]);
		tracks[0] = (struct track){.patient = true};
		assert_true(track_open(&tracks[0]));
		assert_int_equal(session_published(tracks[0].lane), ends[i] + 1); /* one jump */
	}
	write_record(0, number++, 1, 0);
	merge_look(&merge);
	assert_int_equal(run(100), number);
	assert_int_equal(host.session->long_made, 2);
}

static void *write_ahead(void *lane)
{
	for (uint64_t i = 0; i < 3 * AHEAD; i++)
		put((int)(intptr_t)lane, record_head(TRACE_FREE, 16), 0);
	return NULL;
}

/* A lane that is far ahead of its reader waits, and goes on as far as that one comes. */
static void test_waits_for_its_reader(void **state)
{
	struct session_lane *lane = tracks[1].lane;
	struct inlet *in = merge.lanes[1];
	pthread_t writer;

	(void)state;
	assert_int_equal(pthread_create(&writer, NULL, write_ahead, (void *)1), 0);
	alarm(PATIENCE_S);
	while (!atomic_load(&host.session->starving))
		usleep(1000);
	assert_int_equal(session_published(lane), AHEAD);
	for (inlet_look(in); in->at < 3 * AHEAD; inlet_look(in)) {
		assert_true(in->end - in->at <= AHEAD);
		while (inlet_ready(in))
			inlet_advance(in, 1);
		/* The program writes over how far its reader is. */
		atomic_store(&lane->taken, 0);
		session_feed(host.session);
	}
	alarm(0);
	pthread_join(writer, NULL);
}

/* Not where calls are dropped, have times of their own, or are all kept. */
static void test_who_does_not_wait(void **state)
{
	const uint32_t modes[] = {SESSION_LOSSY, SESSION_EXACT, SESSION_KEPT};

	(void)state;
	alarm(PATIENCE_S);
	for (int i = 0; i < 3; i++) {
		host.session->mode = SESSION_CONTEXT | modes[i];
		for (uint64_t number = 0; number <= AHEAD; number++)
			put(i, record_head(TRACE_FREE, 16), 0);
	}
	alarm(0);
	assert_false(atomic_load(&host.session->starving));
}

/* A lane that would have a short chunk takes a long one rather than wait. */
static void test_any_chunk_will_do(void **state)
{
	(void)state;
	while (session_take_chunk(host.session, false) != SESSION_NONE)
		;
	alarm(PATIENCE_S);
	for (uint64_t number = 0; number < CHUNK_RECORDS + 1; number++)
		write_record(0, number, 1, 0);
	alarm(0);
	merge_look(&merge);
	assert_int_equal(run(100), CHUNK_RECORDS + 1);
	assert_int_equal(host.session->long_made, 1);
}

/* Links that run in a circle: none of the chunks is given back twice. */
static void test_broken_lane_ends(void **state)
{
	bool taken[4 * LANES] = {false};
	uint32_t chunk;

	(void)state;
	write_record(0, 1, 1, 0);
	write_record(1, 2, 2, 0);
	chunk = atomic_load(&tracks[0].lane->first);
	atomic_store(session_link(host.session, chunk), chunk);
	merge_look(&merge);
	assert_int_equal(run(100), 2);
	alarm(PATIENCE_S);
	merge_fini(&merge);
	alarm(0);
	for (int i = 0; i < 2 * LANES; i++) {
		chunk = session_take_chunk(host.session, false);
		assert_in_range(chunk, 0, 4 * LANES - 1);
		assert_false(taken[chunk]);
		taken[chunk] = true;
	}
}

#define ON_LANES(test) cmocka_unit_test_setup_teardown(test, open_lanes, close_lanes)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_LANES(test_order_of_ranks),
		ON_LANES(test_waits_for_what_it_rests_on),
		ON_LANES(test_is_forced_when_nothing_can_come),
		ON_LANES(test_order_while_one_is_forced),
		ON_LANES(test_is_not_forced_before_its_time),
		ON_LANES(test_chain_over_lanes),
		ON_LANES(test_stopped),
		ON_LANES(test_lane_handed_on),
		ON_LANES(test_waits_for_its_reader),
		ON_LANES(test_who_does_not_wait),
		ON_LANES(test_any_chunk_will_do),
		ON_LANES(test_broken_lane_is_left_alone),
		ON_LANES(test_broken_lane_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
