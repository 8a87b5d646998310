/* Recorded times made fit for pacing: coarse ones are spread, pauses are kept. */
#include "replayer/tempo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct trace_batch batch_of(const uint64_t *times, size_t rows, uint64_t first_row)
{
	return (struct trace_batch){.time_ns = times, .rows = rows, .first_row = first_row};
}

/* Steps of about 1000, and one pause. */
static const uint64_t coarse[] = {5000, 5001, 5002, 5002, 6002, 7002, 7003, 900003, 900003, 901003};

#define ROWS (sizeof(coarse) / sizeof(*coarse))

static uint64_t usual_step(void)
{
	struct trace_batch first = batch_of(coarse, 3, 0), rest = batch_of(coarse + 3, ROWS - 3, 3);
	struct tempo_steps steps = {.grain_ns = TEMPO_COARSE_NS};

	tempo_survey(&steps, &first);
	tempo_survey(&steps, &rest);
	return tempo_usual_step(&steps);
}

static void test_usual_step(void **state)
{
	struct tempo_steps none = {0};

	(void)state;
	assert_int_equal(usual_step(), 768); /* 512 to 1023 */
	assert_int_equal(tempo_usual_step(&none), 0);
}

static void test_spread(void **state)
{
	static const double wanted[] = {0, 192, 384, 576, 1002, 2002, 2386, 895003, 895387, 896003};
	struct trace_batch batch = batch_of(coarse, ROWS, 0);
	struct tempo tempo = {.grain_ns = TEMPO_COARSE_NS, .step_ns = usual_step()};

	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		assert_float_equal(tempo_time(&tempo, &batch, i), wanted[i], 0.01);
}

/* Rows of one time in two batches: each part is spread, and time never goes back. */
static void test_batches(void **state)
{
	struct trace_batch first = batch_of(coarse, 2, 0), second = batch_of(coarse + 2, 2, 2);
	struct tempo tempo = {.grain_ns = TEMPO_COARSE_NS, .step_ns = 768};
	double last = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		double time =
			i < 2 ? tempo_time(&tempo, &first, i) : tempo_time(&tempo, &second, i - 2);

		assert_true(time >= last);
		last = time;
	}
	assert_float_equal(last, 386, 0.01);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_step),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
