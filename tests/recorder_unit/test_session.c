/* Numbers handed out by a session: never twice, all of them, and arrivals in their order. */
#include "unit.h"

#include "recorder/host.h"

#include <pthread.h>

enum { THREADS = 4, ROUNDS = 20000, HELD = 64 };

static struct host host;
static _Atomic unsigned char owned[1 << 16];

static int open_host(void **state)
{
	(void)state;
	return host_open(&host, SESSION_CONTEXT);
}

static int close_host(void **state)
{
	(void)state;
	host_close(&host);
	return 0;
}

static void test_layout(void **state)
{
	struct session *s = host.session;

	(void)state;
	assert_int_equal(s->magic, SESSION_MAGIC);
	assert_ptr_equal(session_lane(s, 3),
			 (char *)s + s->lanes_at + 3 * sizeof(struct session_lane));
	assert_int_equal((uintptr_t)session_chunk(s, 1) % CHUNK_BYTES, 0);
	assert_ptr_equal(session_chunk(s, s->chunks),
			 session_chunk(s, s->chunks - 1) + CHUNK_RECORDS);
	assert_ptr_equal(session_chunk(s, s->chunks + s->long_chunks - 1) + LONG_RECORDS,
			 (char *)s + s->bytes);
	assert_int_equal(session_lane_number(s, session_lane(s, 77)), 77);
}

/* A lane's records from number at on, in a chunk that it goes on in. */
static void test_where_records_lie(void **state)
{
	const uint64_t ats[] = {0, CHUNK_RECORDS, LONG_RECORDS - CHUNK_RECORDS,
				LONG_RECORDS * 5 + CHUNK_RECORDS * 3};
	const struct session *s = host.session;
	const uint32_t long_chunk = s->chunks + 2;

	(void)state;
	for (size_t i = 0; i < sizeof(ats) / sizeof(*ats); i++) {
		uint64_t at = ats[i], end = at + CHUNK_RECORDS, later = end - 1;

		assert_ptr_equal(session_chunk_base(s, 9, at) + at % LONG_RECORDS,
				 session_chunk(s, 9));
		assert_ptr_equal(session_chunk_base(s, 9, later), session_chunk_base(s, 9, at));
		assert_int_equal(session_chunk_end(s, 9, at), end);
		assert_int_equal(session_chunk_end(s, 9, later), end);
		/* A long one is left where a next one can be used whole. */
		assert_ptr_equal(session_chunk_base(s, long_chunk, at),
				 session_chunk(s, long_chunk));
		assert_int_equal(session_chunk_end(s, long_chunk, at) % LONG_RECORDS, 0);
		assert_in_range(session_chunk_end(s, long_chunk, at), end, at + LONG_RECORDS);
	}
}

/* Takes and gives chunks; a chunk that someone else holds is a failure. */
static void *juggle(void *seed)
{
	uint32_t held[HELD];
	unsigned count = 0;
	uint64_t random = (uintptr_t)seed;
	uintptr_t failures = 0;

	for (int i = 0; i < ROUNDS; i++) {
		if (count < HELD && unit_random(&random) % 2) {
			uint32_t chunk = unit_random(&random) % 2
						 ? session_take_chunk(host.session, true)
						 : session_take_long(host.session);

			failures += chunk == SESSION_NONE || atomic_exchange(&owned[chunk], 1);
			held[count++] = chunk;
		} else if (count) {
			failures += !atomic_exchange(&owned[held[--count]], 0);
			session_give_chunk(host.session, held[count]);
		}
	}
	while (count) {
		atomic_store(&owned[held[--count]], 0);
		session_give_chunk(host.session, held[count]);
	}
	return (void *)failures;
}

static void test_chunks_have_one_owner(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, juggle, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++) {
		void *failures;

		pthread_join(threads[i], &failures);
		assert_null(failures);
	}
	assert_in_range(host.session->chunks_made, 1, THREADS * HELD);
	assert_in_range(host.session->long_made, 1, THREADS * HELD);
}

static void test_pool_ends(void **state)
{
	struct session *s = host.session;
	uint32_t count = 0;

	(void)state;
	while (session_take_chunk(s, false) != SESSION_NONE)
		count++;
	/* What was made before was given back, so it counts as well. */
	assert_int_equal(count, s->chunks_wanted);
	assert_int_not_equal(session_take_chunk(s, true), SESSION_NONE);
	session_give_chunk(s, 5);
	assert_int_equal(session_take_chunk(s, false), 5);
	for (count = 0; session_take_long(s) != SESSION_NONE; count++)
		;
	assert_int_equal(count, s->long_chunks);
	session_give_chunk(s, s->chunks + 5);
	assert_int_equal(session_take_chunk(s, false), SESSION_NONE);
	assert_int_equal(session_take_long(s), s->chunks + 5);
}

/* Each may keep a chunk for ever. */
static void test_pool_grows_with_lanes(void **state)
{
	struct session *s = host.session;
	const uint32_t lanes = 8;

	(void)state;
	while (session_take_chunk(s, false) != SESSION_NONE)
		;
	session_give_chunk(s, s->chunks);
	assert_false(session_short(s));
	assert_int_equal(session_take_long(s), s->chunks);
	assert_true(session_short(s));
	for (uint32_t i = 0; i < lanes; i++)
		session_take_lane(s);
	assert_false(session_short(s));
	while (session_take_chunk(s, false) != SESSION_NONE)
		;
	assert_int_equal(s->chunks_made, s->chunks_wanted + lanes);
}

/* A program has written over the link of a free one. */
static void test_link_to_nowhere(void **state)
{
	struct session *s = host.session;
	uint32_t chunk = session_take_chunk(s, true);

	(void)state;
	session_give_chunk(s, chunk);
	atomic_store(session_link(s, chunk), UINT32_MAX);
	assert_int_equal(session_take_chunk(s, true), chunk);
	assert_int_equal(session_take_chunk(s, true), chunk + 1);
}

static void test_arrivals(void **state)
{
	struct session *s = host.session;

	(void)state;
	assert_int_equal(session_take_arrivals(s), SESSION_NONE);
	session_arrive(s, 7);
	session_arrive(s, 0);
	session_arrive(s, 3);
	assert_int_equal(session_take_arrivals(s), 3);
	assert_int_equal(session_arrived_before(s, 3), 0);
	assert_int_equal(session_arrived_before(s, 0), 7);
	assert_int_equal(session_arrived_before(s, 7), SESSION_NONE);
	assert_int_equal(session_take_arrivals(s), SESSION_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_where_records_lie),
		cmocka_unit_test(test_chunks_have_one_owner),
		cmocka_unit_test(test_pool_ends),
		cmocka_unit_test(test_pool_grows_with_lanes),
		cmocka_unit_test(test_arrivals),
		cmocka_unit_test(test_link_to_nowhere),
	};

	return cmocka_run_group_tests(tests, open_host, close_host);
}
