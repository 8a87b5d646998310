/* A dead man's switch: the bell rings when it was not put off, and only then. */
#include "unit.h"

#include "recorder/deadman.h"
#include "recorder/doze.h"

#define HOUR_NS   (3600 * UINT64_C(1000000000))
#define AWHILE_NS 30000000
#define PATIENCE  200 /* whiles */

static struct session session;
static struct deadman deadman;

static int start(void **state)
{
	(void)state;
	session = (struct session){0};
	deadman_start(&deadman, &session);
	assert_true(deadman_watches(&deadman));
	return 0;
}

static void await_bell(uint32_t rings)
{
	for (int i = 0; i < PATIENCE && atomic_load(&session.bell) < rings; i++)
		doze(&session.bell, rings - 1, AWHILE_NS);
	assert_int_equal(atomic_load(&session.bell), rings);
}

/* It does not ring more often for a while. */
static void hear_no_more(uint32_t rings)
{
	doze(&session.bell, rings, AWHILE_NS);
	assert_int_equal(atomic_load(&session.bell), rings);
}

static void test_left_alone(void **state)
{
	(void)state;
	hear_no_more(0);
	deadman_set(&deadman, 1);
	await_bell(1);
	hear_no_more(1);
	deadman_set(&deadman, AWHILE_NS);
	await_bell(2);
	deadman_stop(&deadman);
}

static void test_put_off(void **state)
{
	(void)state;
	deadman_set(&deadman, HOUR_NS);
	deadman_set(&deadman, 2 * HOUR_NS);
	hear_no_more(0);
	deadman_stop(&deadman);
}

/* It is over at once, and can be set as little as one that could not be had. */
static void test_stopped(void **state)
{
	(void)state;
	deadman_set(&deadman, HOUR_NS);
	deadman_stop(&deadman);
	assert_false(deadman_watches(&deadman));
	deadman_set(&deadman, 1);
	deadman_stop(&deadman);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_left_alone, start),
		cmocka_unit_test_setup(test_put_off, start),
		cmocka_unit_test_setup(test_stopped, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
