/* Calls become rows: objects numbered, what does not fit refused until it is forced. */
#include "unit.h"

#include "recorder/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/ledger.XXXXXX";
static struct ledger ledger;

static int open_ledger(void **state)
{
	static const struct trace_thread thread = {1, "main", 0, TRACE_NONE};
	struct trace_writer *writer;

	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	if (close(mkstemp(path)) || trace_writer_open(&writer, path) ||
	    trace_writer_thread(writer, &thread))
		return -1;
	return ledger_init(&ledger, writer, 100);
}

static int close_ledger(void **state)
{
	(void)state;
	ledger_fini(&ledger);
	return unlink(path);
}

static struct trace_event row(uint8_t kind, uint64_t addr, uint64_t size)
{
	return (struct trace_event){
		.kind = kind, .addr = addr, .size = size, .site = TRACE_NO_SITE};
}

static enum ledger_verdict birth(uint64_t addr, uint64_t size, bool force)
{
	struct trace_event event = row(TRACE_MALLOC, addr, size);

	return ledger_birth(&ledger, &event, 200, force);
}

static enum ledger_verdict death(uint64_t addr, bool force)
{
	struct trace_event event = row(TRACE_FREE, addr, 0);

	return ledger_death(&ledger, &event, 300, force);
}

static enum ledger_verdict resized(uint64_t addr, uint64_t size, const struct ledger_old *old)
{
	struct trace_event event = row(TRACE_REALLOC, addr, size);

	return ledger_resized(&ledger, &event, 400, old, false);
}

/* Ends the trace and returns its rows, which must be all in one block. */
static const struct trace_batch *rows(struct trace **trace, struct trace_cursor **cursor)
{
	static const struct trace_totals totals;
	const struct trace_batch *batch;

	assert_int_equal(ledger.error, 0);
	assert_int_equal(trace_writer_close(ledger.writer, &totals), 0);
	assert_int_equal(trace_open(trace, path), 0);
	assert_int_equal(trace_cursor_open(cursor, *trace, &(struct trace_range){.jobs = 1}), 0);
	assert_int_equal(trace_cursor_next(*cursor, &batch), 1);
	return batch;
}

static void test_lives(void **state)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *trace;

	(void)state;
	assert_int_equal(birth(0x1000, 10, false), LEDGER_TAKEN);
	assert_int_equal(birth(0x1000, 11, false), LEDGER_UNFIT);
	assert_int_equal(death(0x2000, false), LEDGER_UNFIT);
	assert_int_equal(death(0x1000, false), LEDGER_TAKEN);
	assert_int_equal(birth(0x1000, 12, false), LEDGER_TAKEN);
	assert_int_equal(ledger.counts.peak_live_bytes, 12);
	batch = rows(&trace, &cursor);
	assert_int_equal(batch->rows, 3);
	assert_int_equal(batch->object[0], 0);
	assert_int_equal(batch->old_object[1], 0);
	assert_int_equal(batch->object[2], 1);
	assert_int_equal(batch->time_ns[0], 100);
	/* The last birth was of an earlier clock than the death: late, and not before it. */
	assert_int_equal(batch->time_ns[2], 200);
	assert_int_equal(ledger.counts.late, 1);
	trace_cursor_close(cursor);
	trace_close(trace);
}

static void test_forced(void **state)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *trace;

	(void)state;
	birth(0x1000, 10, false);
	assert_int_equal(birth(0x1000, 20, true), LEDGER_TAKEN);
	assert_int_equal(death(0x3000, true), LEDGER_TAKEN);
	assert_int_equal(death(0x1000, false), LEDGER_TAKEN);
	assert_int_equal(ledger.counts.unseen_deaths, 1);
	assert_int_equal(ledger.counts.foreign, 1);
	assert_int_equal(ledger.counts.live_bytes, 0);
	batch = rows(&trace, &cursor);
	assert_int_equal(batch->flags[2], TRACE_FOREIGN);
	assert_int_equal(batch->old_object[3], 1);
	trace_cursor_close(cursor);
	trace_close(trace);
}

static void test_peak_after_a_resize_that_fails(void **state)
{
	struct ledger_old old;

	(void)state;
	birth(0x1000, 100, false);
	birth(0x2000, 50, false);
	assert_int_equal(ledger_resize(&ledger, 0x2000, &old, false), LEDGER_TAKEN);
	birth(0x3000, 40, false);
	assert_int_equal(ledger.counts.peak_live_bytes, 150);
	assert_int_equal(resized(0, 1u << 30, &old), LEDGER_TAKEN);
	assert_int_equal(ledger.counts.live_bytes, 190);
	assert_int_equal(ledger.counts.peak_live_bytes, 190);
}

static void test_resizing(void **state)
{
	struct ledger_old old, null = {0};
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *trace;

	(void)state;
	assert_int_equal(resized(0x1000, 10, &null), LEDGER_TAKEN);
	assert_int_equal(ledger_resize(&ledger, 0x1000, &old, false), LEDGER_TAKEN);
	/* Meanwhile its address is another thread's. */
	assert_int_equal(birth(0x1000, 5, false), LEDGER_TAKEN);
	assert_int_equal(resized(0x2000, 20, &old), LEDGER_TAKEN);
	/* One that fails leaves its block alive. */
	assert_int_equal(ledger_resize(&ledger, 0x2000, &old, false), LEDGER_TAKEN);
	assert_int_equal(resized(0, 1u << 30, &old), LEDGER_TAKEN);
	assert_int_equal(ledger.counts.live_bytes, 25);
	/* To size 0: freed. */
	assert_int_equal(ledger_resize(&ledger, 0x2000, &old, false), LEDGER_TAKEN);
	assert_int_equal(resized(0, 0, &old), LEDGER_TAKEN);
	assert_int_equal(ledger.counts.live_bytes, 5);
	assert_int_equal(ledger_resize(&ledger, 0x2000, &old, false), LEDGER_UNFIT);
	batch = rows(&trace, &cursor);
	assert_int_equal(batch->rows, 5);
	assert_int_equal(batch->old_object[0], TRACE_NONE);
	assert_int_equal(batch->flags[2], TRACE_MOVED);
	assert_int_equal(batch->old_object[2], 0);
	assert_int_equal(batch->object[2], 2);
	assert_int_equal(batch->flags[3], TRACE_FAILED);
	assert_int_equal(batch->old_object[4], 2);
	assert_int_equal(batch->object[4], TRACE_NONE);
	trace_cursor_close(cursor);
	trace_close(trace);
}

static void test_inheriting(void **state)
{
	struct objects parent;
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	struct trace *trace;

	(void)state;
	assert_int_equal(objects_init(&parent), 0);
	assert_int_equal(objects_put(&parent, 0x5000, &(struct object){77, 64, 32}), 0);
	assert_int_equal(ledger_inherit(&ledger, &parent, 0), 0);
	objects_fini(&parent);
	assert_int_equal(death(0x5000, false), LEDGER_TAKEN);
	batch = rows(&trace, &cursor);
	assert_int_equal(batch->kind[0], TRACE_INHERITED);
	assert_int_equal(batch->size[0], 64);
	assert_int_equal(batch->align[0], 32);
	assert_int_equal(batch->object[0], 0);
	assert_int_equal(batch->old_object[1], 0);
	trace_cursor_close(cursor);
	trace_close(trace);
}

#define ON_LEDGER(test) cmocka_unit_test_setup_teardown(test, open_ledger, close_ledger)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_LEDGER(test_lives),
		ON_LEDGER(test_forced),
		ON_LEDGER(test_peak_after_a_resize_that_fails),
		ON_LEDGER(test_resizing),
		ON_LEDGER(test_inheriting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
