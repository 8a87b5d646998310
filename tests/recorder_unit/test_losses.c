/*
 * A lossy session without memory: what is kept is right, whichever record was the first that found
 * no room. Pens and hakrec's side of them, in one process; and what it leaves for later.
 */
#include "unit.h"

#include "recorder/host.h"
#include "recorder/notepad.h"
#include "recorder/pen.h"
#include "recorder/process.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_ADDR 0x100000u
#define NOWHERE    0x900000u
#define PATIENCE_S 20 /* until a test that waits for ever is ended */

static char path[] = "/tmp/losses.XXXXXX";
static struct host host;
static struct pen *pen;
static uint32_t number; /* of the thread */
static struct process *process;
static struct legacy *legacies;
static struct trace *trace; /* what was recorded */
static struct trace_cursor *cursor;
static uint64_t fresh; /* the next address of a block that only takes room */
static uint32_t last_chunk;
static _Atomic bool told;

static int open_process(void **state)
{
	struct trace_writer *writer;

	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	if (close(mkstemp(path)) || trace_writer_open(&writer, path) ||
	    host_open(&host, SESSION_LOSSY))
		return -1;
	member = (struct member){.session = host.session};
	host.session->long_chunks = 0; /* what room there is shall be counted in short ones */
	member.number = session_take_process(host.session);
	member.process = session_process(host.session, member.number);
	atomic_store(&member.process->lanes, SESSION_NONE);
	atomic_store(&member.process->pid, getpid());
	if (!notepad_open() || !pen_prepare() || !clock_open(host.session))
		return -1;
	number = 0;
	pen = pen_open(&number, (uint64_t)getpid(), 0);
	process = process_create(host.session, member.number, NULL);
	process->forks = &legacies;
	process_begin(process, writer);
	fresh = FIRST_ADDR;
	return pen ? 0 : -1;
}

static int close_process(void **state)
{
	(void)state;
	trace_cursor_close(cursor);
	trace_close(trace);
	cursor = NULL;
	trace = NULL;
	process_destroy(process);
	legacy_destroy(legacies);
	legacies = NULL;
	pen_close(pen);
	pen_forget();
	host_close(&host);
	return unlink(path);
}

static void birth_of(unsigned kind, uint64_t addr, uint64_t size)
{
	pen_write_birth(pen, (void *)addr, &(struct pen_birth){kind, 0, size, 0});
}

static void birth(uint64_t addr, uint64_t size)
{
	birth_of(TRACE_MALLOC, addr, size);
}

static void death(uint64_t addr)
{
	pen_write(pen, addr, record_head(TRACE_FREE, addr), 0);
}

/* Until there is room for so many records. */
static void leave_room(uint64_t records)
{
	const struct session_lane *lane = pen->track.lane;

	do
		birth(fresh += 16, 1);
	while (lane->end / sizeof(struct record) - session_published(lane) != records);
}

/* Takes all memory there is. */
static void starve(void)
{
	uint32_t chunk;

	while ((chunk = session_take_chunk(host.session, true)) != SESSION_NONE)
		last_chunk = chunk;
}

static void feed(void)
{
	session_give_chunk(host.session, last_chunk);
}

/* Ends the trace, of which so many calls were lost, and returns its rows. */
static const struct trace_batch *rows(uint64_t lost)
{
	const struct trace_batch *batch;

	process_settle(process);
	assert_int_equal(process->ledger.counts.lost, lost);
	assert_int_equal(process->ledger.counts.foreign, 0);
	assert_int_equal(process->ledger.counts.unseen_deaths, 0);
	process_end(process, NULL);
	assert_null(process->message);
	assert_int_equal(trace_open(&trace, path), 0);
	assert_int_equal(trace_cursor_open(&cursor, trace, &(struct trace_range){.jobs = 1}), 0);
	assert_int_equal(trace_cursor_next(cursor, &batch), 1);
	return batch;
}

/* The only row of a size; the number of rows when there is none. */
static size_t row_of(const struct trace_batch *batch, uint64_t size)
{
	size_t found = batch->rows;

	for (size_t i = 0; i < batch->rows; i++)
		if (batch->size[i] == size && batch->kind[i] != TRACE_LOST) {
			assert_int_equal(found, batch->rows);
			found = i;
		}
	return found;
}

/* What was kept of it must not become part of the next call. */
static void test_second_half_of_a_realloc(void **state)
{
	const struct trace_batch *batch;

	(void)state;
	birth(0x1000, 1234);
	leave_room(1);
	starve();
	pen_write_old(pen, (void *)0x1000);
	birth_of(TRACE_REALLOC, 0x2000, 2345);
	birth(0x3000, 3456);
	feed();
	birth_of(TRACE_REALLOC, 0x4000, 4567);
	death(0x1000);
	batch = rows(2);
	assert_int_equal(row_of(batch, 2345), batch->rows);
	assert_int_equal(row_of(batch, 3456), batch->rows);
	assert_int_equal(batch->old_object[row_of(batch, 4567)], TRACE_NONE);
	assert_int_equal(batch->flags[row_of(batch, 4567)], 0);
	/* The dropped call left everything as it was. */
	assert_int_equal(batch->kind[batch->rows - 1], TRACE_FREE);
	assert_int_equal(batch->old_object[batch->rows - 1], batch->object[row_of(batch, 1234)]);
}

/* Without it the second would be a new block's; it is one call all the same. */
static void test_first_half_of_a_realloc(void **state)
{
	const struct trace_batch *batch;

	(void)state;
	birth(0x1000, 1234);
	leave_room(0);
	starve();
	pen_write_old(pen, (void *)0x1000);
	feed();
	birth_of(TRACE_REALLOC, 0x1000, 2345);
	birth(0x3000, 3456);
	death(0x1000);
	batch = rows(1);
	assert_int_equal(row_of(batch, 2345), batch->rows);
	assert_in_range(row_of(batch, 3456), 0, batch->rows - 1);
	assert_int_equal(batch->old_object[batch->rows - 1], batch->object[row_of(batch, 1234)]);
}

/* A thread that leaves a realloc by a jump, and ends: the next one on its lane knows nothing of it.
 */
static void test_lane_left_within_a_realloc(void **state)
{
	const struct trace_batch *batch;

	(void)state;
	birth(0x1000, 1234);
	pen_write_old(pen, (void *)0x1000);
	pen_close(pen);
	number = 0;
	pen = pen_open(&number, (uint64_t)getpid(), 0);
	birth_of(TRACE_REALLOC, 0x4000, 4567);
	death(0x1000);
	batch = rows(0);
	assert_int_equal(batch->old_object[row_of(batch, 4567)], TRACE_NONE);
	assert_int_equal(batch->kind[batch->rows - 1], TRACE_FREE);
	assert_int_equal(batch->old_object[batch->rows - 1], batch->object[row_of(batch, 1234)]);
}

/* What stands before a call's record is of no other call. */
static void test_call_of_two_records(void **state)
{
	const struct trace_batch *batch;
	size_t row;

	(void)state;
	leave_room(1);
	starve();
	birth(0x1000, (uint64_t)1 << 41);
	feed();
	birth(0x2000, 2345);
	starve();
	leave_room(0);
	pen_write_pages(pen, (void *)NOWHERE, 5);
	birth(NOWHERE, TRACE_LARGE_BYTES);
	batch = rows(2);
	assert_int_equal(row_of(batch, (uint64_t)1 << 41), batch->rows);
	row = row_of(batch, 2345);
	assert_in_range(row, 1, batch->rows - 1);
	assert_int_equal(batch->kind[row - 1], TRACE_LOST);
	assert_int_equal(batch->size[row - 1], 1);
}

/* Sizes that a call's record holds, and those that stand before it. */
static void test_sizes(void **state)
{
	const uint64_t sizes[] = {UINT32_MAX - 1, UINT32_MAX, (uint64_t)UINT32_MAX + 1,
				  (uint64_t)5 << 30, (uint64_t)1 << 41};
	const struct trace_batch *batch;
	uint64_t addr = 0x10000;

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++, addr += 64) {
		pen_write_pages(pen, (void *)addr, 7);
		birth(addr, sizes[i]);
		pen_write_old(pen, (void *)addr);
		birth_of(TRACE_REALLOC, addr + 32, sizes[i] - 16);
	}
	batch = rows(0);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size_t row = row_of(batch, sizes[i]), moved = row_of(batch, sizes[i] - 16);

		assert_in_range(moved, row + 1, batch->rows - 1);
		assert_int_equal(batch->old_object[moved], batch->object[row]);
	}
}

static void *feed_the_starving(void *unused)
{
	while (!atomic_load(&host.session->starving) && !told)
		usleep(100);
	feed();
	session_feed(host.session);
	return unused;
}

/* Of forks, threads and their ends no record is dropped: it waits for memory. */
static void test_what_is_no_call(void **state)
{
	const uint32_t child = 7;
	const struct trace_batch *batch;
	pthread_t feeder;

	(void)state;
	birth(0x1000, 1234);
	leave_room(0);
	starve();
	assert_int_equal(pthread_create(&feeder, NULL, feed_the_starving, NULL), 0);
	pen_tell_between(pen, RECORD_FORK, child);
	told = true;
	pthread_join(feeder, NULL);
	birth(0x2000, 2345);
	batch = rows(0);
	assert_in_range(row_of(batch, 2345), 0, batch->rows - 1);
	assert_non_null(legacies);
	assert_int_equal(legacies->child, child);
}

/* Nor does it wait while there is memory that calls may not have. */
static void test_what_is_urgent(void **state)
{
	static const char text[3 * CHUNK_BYTES];
	const struct notepad_part part = {text, sizeof(text)};
	const struct trace_batch *batch;

	(void)state;
	birth(0x1000, 1234);
	leave_room(0);
	while (session_take_chunk(host.session, false) != SESSION_NONE)
		;
	birth(0x2000, 2345);
	assert_true(notepad_lock());
	alarm(PATIENCE_S);
	assert_true(notepad_write(NOTE_UNMAP, &part, 1));
	pen_tell_between(pen, RECORD_FORK, 7);
	alarm(0);
	notepad_unlock();
	batch = rows(1);
	assert_int_equal(row_of(batch, 2345), batch->rows);
	assert_non_null(legacies);
}

/* hakrec does not wait for what it has to say of itself: for ever it would look all the time. */
static void test_thread_without_a_lane(void **state)
{
	uint32_t other = 0;

	(void)state;
	host.session->lanes = atomic_load(&host.session->lanes_made);
	assert_null(pen_open(&other, (uint64_t)getpid(), 0));
	assert_true(process_wants(process));
	rows(0);
	assert_false(process_wants(process));
}

/* The child has the block that was born behind a foreign free, and whose birth waits with it. */
static void test_fork_behind_what_waits(void **state)
{
	uint32_t other = 0;
	struct pen *forks = pen_open(&other, (uint64_t)getpid(), 0);
	struct object object;

	(void)state;
	assert_non_null(forks);
	death(NOWHERE);
	birth(0x1000, 1234);
	pen_tell_between(forks, RECORD_FORK, 7);
	process_settle(process);
	assert_non_null(legacies);
	assert_true(objects_take(&legacies->objects, 0x1000, &object));
	assert_int_equal(process->ledger.counts.foreign, 1);
	process_end(process, NULL);
	pen_close(forks);
}

/* However low the addresses are at which other blocks live, a failed call is none. */
static void test_failed_calls_are_no_blocks(void **state)
{
	(void)state;
	process_drain(process, UINT64_MAX);
	birth(0x20, 8);
	birth(0, 50);
	birth(0, 50);
	process_drain(process, UINT64_MAX);
	assert_int_equal(process->ledger.counts.events, 3);
	assert_int_equal(process->ledger.counts.live_bytes, 8);
	process_end(process, NULL);
}

static void test_alignments(void **state)
{
	(void)state;
	assert_int_equal(record_align(&(struct record){.word = {record_align_bits(0)}}), 0);
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t align = (uint64_t)1 << bit;
		struct record record = {.word = {record_align_bits(align)}};

		assert_int_equal(record_align(&record), align);
	}
}

/* What takes long is left alone, and the rest as well when it is time; all of it is a round. */
static void test_skimming(void **state)
{
	const uint64_t *events = &process->ledger.counts.events;
	uint64_t round;

	(void)state;
	/* The thread's beginning. */
	assert_false(process_skim(process, UINT64_MAX, UINT64_MAX));
	process_drain(process, UINT64_MAX);
	for (uint64_t i = 0; i < 4000; i++)
		birth(0x1000 + 16 * i, 8);
	round = process->round;
	assert_true(process_skim(process, UINT64_MAX, 1));
	assert_in_range(*events, 1024, 1280);
	assert_int_equal(process->round, round);
	assert_true(process_skim(process, UINT64_MAX, UINT64_MAX));
	assert_int_equal(*events, 4000);
	assert_int_equal(process->round, round + 1);
	pen_tell_between(pen, RECORD_FORK, 7);
	birth(0x90000, 8);
	assert_false(process_skim(process, UINT64_MAX, UINT64_MAX));
	assert_int_equal(*events, 4000);
	assert_null(legacies);
	process_drain(process, UINT64_MAX);
	assert_int_equal(*events, 4001);
	assert_non_null(legacies);
	process_end(process, NULL);
}

/* A program that scribbles into the list of its lanes, or of a child that cannot be: hakrec goes on
 * with what it met before, and so does a fork. */
static void test_lists_that_make_no_sense(void **state)
{
	uint32_t other = 0;
	struct pen *late;

	(void)state;
	birth(0x1000, 1234);
	process_look(process);
	late = pen_open(&other, (uint64_t)getpid(), 0);
	assert_non_null(late);
	late->track.lane->older = atomic_load(&member.process->lanes);
	alarm(PATIENCE_S);
	process_look(process);
	assert_int_equal(process->merge.count, 1);
	pen_tell_between(pen, RECORD_FORK, host.session->processes);
	alarm(0);
	birth(0x2000, 2345);
	assert_in_range(row_of(rows(0), 2345), 1, 3);
	assert_null(legacies);
}

#define ON_PROCESS(test) cmocka_unit_test_setup_teardown(test, open_process, close_process)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_PROCESS(test_second_half_of_a_realloc),
		ON_PROCESS(test_first_half_of_a_realloc),
		ON_PROCESS(test_lane_left_within_a_realloc),
		ON_PROCESS(test_call_of_two_records),
		ON_PROCESS(test_sizes),
		ON_PROCESS(test_what_is_no_call),
		ON_PROCESS(test_what_is_urgent),
		ON_PROCESS(test_thread_without_a_lane),
		ON_PROCESS(test_fork_behind_what_waits),
		ON_PROCESS(test_skimming),
		ON_PROCESS(test_failed_calls_are_no_blocks),
		cmocka_unit_test(test_alignments),
		ON_PROCESS(test_lists_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
