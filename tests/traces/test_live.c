/* live: births, deaths and memory of the living, against a plain array. */
#include "traces/live.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct trace_event birth(uint64_t object, uint64_t size)
{
	return (struct trace_event){.kind = TRACE_MALLOC,
				    .object = object,
				    .old_object = TRACE_NONE,
				    .size = size,
				    .align = 32,
				    .thread = 7};
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void test_empty(void **state)
{
	struct live l;

	(void)state;
	live_init(&l, 0);
	assert_null(live_find(&l, 0));
	assert_null(live_find(&l, TRACE_NONE));
	assert_int_equal(live_death(&l, 0), -ERANGE);
	assert_int_equal(live_death(&l, TRACE_NONE), -ERANGE);
	live_fini(&l);
}

static void test_one_life(void **state)
{
	struct trace_event e = birth(0, 100);
	struct live_object *object;
	struct live l;

	(void)state;
	live_init(&l, sizeof(uint64_t));
	assert_int_equal(live_birth(&l, &e), 0);
	object = live_find(&l, 0);
	assert_non_null(object);
	assert_int_equal(object->size, 100);
	assert_int_equal(object->align, 32);
	assert_int_equal(object->thread, 7);
	assert_int_equal(object->kind, TRACE_MALLOC);
	assert_int_equal(*(uint64_t *)live_payload(object), 0);
	assert_int_equal(live_birth(&l, &e), -EEXIST);
	e.object = 2;
	assert_int_equal(live_birth(&l, &e), -ERANGE);
	assert_int_equal(live_death(&l, 1), -ERANGE);
	assert_int_equal(live_death(&l, 0), 0);
	assert_null(live_find(&l, 0));
	assert_int_equal(live_death(&l, 0), -ESRCH);
	e.object = 0;
	assert_int_equal(live_birth(&l, &e), -EEXIST);
	assert_int_equal(l.objects, 0);
	assert_int_equal(l.bytes, 0);
	assert_int_equal(l.peak_objects, 1);
	assert_int_equal(l.peak_bytes, 100);
	live_fini(&l);
}

static void test_rows(void **state)
{
	struct trace_event e = birth(0, 100);
	struct live_object died;
	struct live l;

	(void)state;
	live_init(&l, 0);
	assert_int_equal(live_apply(&l, &e, &died), 0);
	assert_int_equal(died.kind, 0);

	/* a failed realloc leaves its object alive */
	e = (struct trace_event){.kind = TRACE_REALLOC,
				 .flags = TRACE_FAILED,
				 .object = TRACE_NONE,
				 .old_object = 0,
				 .size = 1 << 20};
	assert_int_equal(live_apply(&l, &e, &died), 0);
	assert_int_equal(died.kind, 0);
	assert_int_equal(l.bytes, 100);

	/* the old object dies before the new one is born: the peak never holds both */
	e = (struct trace_event){
		.kind = TRACE_REALLOC, .object = 1, .old_object = 0, .size = 120, .thread = 9};
	assert_int_equal(live_apply(&l, &e, &died), 0);
	assert_int_equal(died.size, 100);
	assert_int_equal(died.thread, 7);
	assert_int_equal(l.peak_bytes, 120);
	assert_int_equal(l.peak_objects, 1);
	assert_int_equal(live_find(&l, 1)->thread, 9);

	e = (struct trace_event){.kind = TRACE_FREE, .object = TRACE_NONE, .old_object = 0};
	assert_int_equal(live_apply(&l, &e, &died), -ESRCH);
	e.old_object = 1;
	assert_int_equal(live_apply(&l, &e, NULL), 0);
	e.old_object = TRACE_NONE; /* foreign */
	assert_int_equal(live_apply(&l, &e, NULL), 0);
	assert_int_equal(l.objects, 0);
	live_fini(&l);
}

/* A million rows, checked against an array of flags. */
static void test_against_model(void **state)
{
	enum { ROWS = 1000000 };
	uint64_t seed = 88172645463325252u, bytes = 0, objects = 0;
	unsigned char *alive = calloc(ROWS, 1);
	struct live l;

	(void)state;
	live_init(&l, sizeof(uint64_t));
	for (int row = 0; row < ROWS; row++) {
		uint64_t dice = random_next(&seed);

		if (dice % 5 < 2 || !l.next) {
			struct trace_event e = birth(l.next, dice >> 40);

			alive[l.next] = 1;
			assert_int_equal(live_birth(&l, &e), 0);
			*(uint64_t *)live_payload(live_find(&l, e.object)) = ~e.object;
			bytes += e.size;
			objects++;
		} else {
			uint64_t span = dice & 64 ? 100 : l.next;
			uint64_t object =
				l.next - 1 - (dice >> 8) % (span < l.next ? span : l.next);
			struct live_object *found = live_find(&l, object);

			assert_int_equal(found != NULL, alive[object]);
			if (found) {
				assert_int_equal(*(uint64_t *)live_payload(found), ~object);
				bytes -= found->size;
				objects--;
			}
			assert_int_equal(live_death(&l, object), alive[object] ? 0 : -ESRCH);
			alive[object] = 0;
		}
		assert_int_equal(l.bytes, bytes);
		assert_int_equal(l.objects, objects);
	}
	free(alive);
	live_fini(&l);
}

/* Ten million short lives leave no memory behind, whatever lives on beside them. */
static void test_memory_follows_the_living(void **state)
{
	enum { WINDOW = 1000, ROWS = 10000000 };
	size_t before = mallinfo2().uordblks, during;
	struct live l;

	(void)state;
	live_init(&l, 0);
	for (uint64_t object = 0; object < ROWS; object++) {
		struct trace_event e = birth(object, 1);

		if (live_birth(&l, &e))
			fail();
		if (object >= WINDOW && live_death(&l, object - WINDOW))
			fail();
	}
	during = mallinfo2().uordblks;
	assert_int_equal(l.objects, WINDOW);
	assert_true(during - before < 64 * 1024);
	live_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_one_life),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_memory_follows_the_living),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
