/* Which hooks a fork finds in progress, and what becomes of their pens in the child. */
#include "unit.h"

#include "recorder/host.h"
#include "recorder/leftover.h"

static struct host host;
static struct pen *pen;
static uintptr_t frames[2];

static int open_pens(void **state)
{
	uint32_t number = 0;

	(void)state;
	if (host_open(&host, SESSION_ADDRESS))
		return -1;
	member = (struct member){.session = host.session};
	member.number = session_take_process(host.session);
	member.process = session_process(host.session, member.number);
	atomic_store(&member.process->lanes, SESSION_NONE);
	if (!pen_prepare() || !clock_open(host.session))
		return -1;
	pen = pen_open(&number, 1, 0);
	pen->above = pen_open(&number, 1, 0);
	pen->above->frame = PEN_READY;
	return 0;
}

static int close_pens(void **state)
{
	(void)state;
	pen_forget();
	host.session = member.session;
	host_close(&host);
	return 0;
}

static bool writes(struct pen *p)
{
	return pen_write(p, 0x1000, record_head(TRACE_FREE, 0x1000), 0);
}

static void test_none_in_progress(void **state)
{
	(void)state;
	pen->frame = PEN_READY;
	leftover_note(pen, pen);
	assert_int_equal(leftover_cut(), 0);
	assert_ptr_equal(member.session, host.session);
	leftover_note(NULL, NULL);
	assert_int_equal(leftover_cut(), 0);
	assert_ptr_equal(member.session, host.session);
}

/* A hook in progress writes to nowhere; of one that may begin the calls are noticed. */
static void test_one_in_progress(void **state)
{
	const struct session_lane *lane = pen->track.lane;
	uint64_t count = session_published(lane);

	(void)state;
	pen->frame = frames;
	leftover_note(pen, pen->above);
	assert_int_equal(leftover_cut(), 1);
	assert_ptr_not_equal(member.session, host.session);
	lane = (const void *)((const char *)lane - (const char *)host.session +
			      (const char *)member.session);
	assert_true(writes(pen));
	assert_false(pen->missed);
	assert_false(writes(pen->above));
	assert_true(pen->above->missed);
	assert_int_equal(session_published(lane), count);
}

/* The fork found no pen: a look-up was in progress. */
static void test_no_pen_for_the_fork(void **state)
{
	(void)state;
	pen->frame = frames;
	leftover_note(pen, NULL);
	assert_int_equal(leftover_cut(), 1);
}

#define ON_PENS(test) cmocka_unit_test_setup_teardown(test, open_pens, close_pens)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PENS(test_none_in_progress),
		ON_PENS(test_one_in_progress),
		ON_PENS(test_no_pen_for_the_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
