/* Notes of all lengths arrive as they were written, in pieces or whole. */
#include "unit.h"

#include "recorder/host.h"
#include "recorder/member.h"
#include "recorder/notebook.h"
#include "recorder/notepad.h"

#include <string.h>

enum { LONGEST = 40000 };

static struct host host;
static struct notebook book;
static char text[LONGEST];

static int open_book(void **state)
{
	uint64_t random = 3;

	(void)state;
	if (host_open(&host, SESSION_CONTEXT))
		return -1;
	member.session = host.session;
	member.number = session_take_process(host.session);
	member.process = session_process(host.session, member.number);
	atomic_store(&member.process->lanes, SESSION_NONE);
	for (size_t i = 0; i < LONGEST; i++)
		text[i] = (char)unit_random(&random);
	if (!notepad_open())
		return -1;
	notebook_open(&book, host.session, atomic_load(&member.process->notes));
	return 0;
}

static int close_book(void **state)
{
	(void)state;
	notebook_close(&book);
	host_close(&host);
	return 0;
}

static void test_lengths(void **state)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 4079, 4080, 4081, LONGEST};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct notepad_part parts[] = {
			{text, lengths[i] / 3},
			{text + lengths[i] / 3, lengths[i] - lengths[i] / 3}};
		const struct note_head *head;

		assert_null(notebook_next(&book));
		assert_true(notepad_lock());
		assert_true(notepad_write(NOTE_SITE + (i & 1), parts, 2));
		notepad_unlock();
		head = notebook_next(&book);
		assert_non_null(head);
		assert_int_equal(head->kind, NOTE_SITE + (i & 1));
		assert_int_equal(head->bytes, lengths[i]);
		assert_memory_equal(head + 1, text, lengths[i]);
		assert_int_equal(((const char *)(head + 1))[lengths[i]], 0);
	}
}

/* A program that dies while it writes leaves a part, which is never taken for a note. */
static void test_part_of_a_note(void **state)
{
	struct notepad_part part = {text, 10000};

	(void)state;
	notepad_write(NOTE_SITE, &part, 1);
	atomic_fetch_sub(&book.inlet.lane->written, sizeof(struct record));
	assert_null(notebook_next(&book));
	atomic_fetch_add(&book.inlet.lane->written, sizeof(struct record));
	assert_int_equal(notebook_next(&book)->bytes, 10000);
}

static void test_latch_knows_its_holder(void **state)
{
	(void)state;
	assert_true(notepad_lock());
	assert_false(notepad_lock());
	notepad_unlock();
	assert_true(notepad_lock());
	notepad_unlock();
}

/* A forked child in which one goes on that was interrupted: what it tells counts as not told. */
static void test_note_of_a_parent(void **state)
{
	struct notepad_part part = {text, 100};

	(void)state;
	assert_true(notepad_lock());
	notepad_close();
	assert_false(notepad_write(NOTE_SITE, &part, 1));
	assert_null(notebook_next(&book));
	notepad_unlock();
	assert_false(notepad_lock());
	assert_true(notepad_open());
	notebook_close(&book);
	notebook_open(&book, host.session, atomic_load(&member.process->notes));
	assert_true(notepad_write(NOTE_SITE, &part, 1));
	assert_int_equal(notebook_next(&book)->bytes, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_part_of_a_note),
		cmocka_unit_test(test_latch_knows_its_holder),
		cmocka_unit_test(test_note_of_a_parent),
	};

	return cmocka_run_group_tests(tests, open_book, close_book);
}
