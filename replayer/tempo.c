#include "tempo.h"

void tempo_survey(struct tempo_steps *steps, const struct trace_batch *batch)
{
	for (size_t i = 0; i < batch->rows; i++) {
		uint64_t step = batch->time_ns[i] - steps->last_ns;

		steps->last_ns = batch->time_ns[i];
		if (step >= steps->grain_ns && batch->first_row + i)
			steps->count[63 - __builtin_clzll(step)]++;
	}
}

uint64_t tempo_usual_step(const struct tempo_steps *steps)
{
	uint64_t all = 0, below = 0;

	for (unsigned i = 0; i < 64; i++)
		all += steps->count[i];
	for (unsigned i = 0; i < 63; i++) {
		below += steps->count[i];
		if (2 * below > all)
			return 3ull << i >> 1; /* middle of the octave */
	}
	return 0;
}

/* Finds the rows of the batch that share the time of row i, the first of them. */
static void run_find(struct tempo *t, const struct trace_batch *b, size_t i)
{
	size_t past = i + 1;

	while (past < b->rows && b->time_ns[past] - b->time_ns[past - 1] < t->grain_ns)
		past++;
	t->run_ns = b->time_ns[i];
	t->run_first = b->first_row + i;
	t->run_past = b->first_row + past;
}

double tempo_time(struct tempo *t, const struct trace_batch *b, size_t i)
{
	uint64_t row = b->first_row + i, span = t->step_ns;
	double spread;

	if (row >= t->run_past)
		run_find(t, b, i);
	if (t->run_past < b->first_row + b->rows) {
		uint64_t step = b->time_ns[t->run_past - b->first_row] - t->run_ns;

		span = step < span ? step : span;
	}
	spread = (double)t->run_ns +
		 (double)span * (double)(row - t->run_first) / (double)(t->run_past - t->run_first);
	if (!t->begun)
		t->origin_ns = spread;
	t->begun = true;
	spread -= t->origin_ns;
	if (spread > t->now_ns)
		t->now_ns = spread;
	return t->now_ns;
}
