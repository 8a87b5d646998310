/*
 * Plans of random traces, executed by a model of the runner: threads take turns at random, held
 * back only by the plan's own waits. Whatever the turns, every thread must do what was recorded, on
 * the objects that were meant, and come to its end.
 */
#include "randomrows.h"
#include "replayer/digest.h"
#include "replayer/planner.h"
#include "replayer/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct model_thread {
	const struct plan_op *next;
	uint64_t left; /* entries */
	uint64_t digest;
	uint64_t identity;
	bool started;
	bool left_epoch; /* of the epoch entry it waits in */
	bool ended;
};

/* The latest block of a slot, in lockstep, where objects are born in the order of their numbers. */
struct model_block {
	uint64_t object;
	uint64_t size;
};

struct model {
	const struct plan *plan;
	struct model_thread *threads;
	uint64_t *slots;            /* identities */
	bool counts;                /* lockstep: what is touched is compared with the trace */
	struct model_block *blocks; /* by slot */
	uint64_t objects;           /* born so far */
	uint64_t parts;             /* of blocks that were touched */
	uint32_t n_slots;
	uint32_t *left;
	uint32_t done;
	int64_t live, peak;
	uint64_t waits, epochs;
};

static const void *at(const struct plan *plan, uint64_t offset)
{
	return (const char *)plan + offset;
}

static uint64_t wide(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

/* Pages that were touched of a block; RESIDENT_REST: all. */
static uint64_t pages_of(const struct model_block *block)
{
	uint64_t pages = randomrows_pages(block->object, block->size);

	return pages < (block->size + 4095) / 4096 ? pages : RESIDENT_REST;
}

/* A block is born in a slot, old in place of another one; part tells what of it is touched. */
static void model_touch(struct model *m, const struct plan_op *op, const struct plan_op *part,
			uint64_t size, bool old)
{
	struct model_block *block = &m->blocks[op->slot];
	uint64_t from = old ? pages_of(block) : RESIDENT_REST;
	uint64_t reached = old ? block->size / 4096 : 0;
	uint64_t to;

	if (!m->counts)
		return;
	*block = (struct model_block){m->objects++, size};
	to = pages_of(block);
	assert_int_equal(part != NULL, from != RESIDENT_REST || to != RESIDENT_REST);
	if (!part)
		return;
	assert_int_equal(part->slot, from == RESIDENT_REST ? reached : from);
	assert_int_equal(part->size, to);
	m->parts++;
}

/* part: the entry before if it tells what is touched, else NULL. */
static void model_call(struct model *m, struct model_thread *t, const struct plan_op *op,
		       const struct plan_op *part)
{
	const struct plan_operand *operand = (const void *)(op + 1);
	bool special = op->code & PLAN_SPECIAL;
	unsigned kind = op->code & PLAN_VERB;
	uint32_t flags = special ? operand->flags : 0;
	uint64_t size = wide(special ? operand->size_high : 0, op->size);
	uint64_t detail =
		special ? digest_detail(wide(operand->old_high, operand->detail), flags) : 0;
	bool takes = (shape_frees(kind) || shape_changes(kind)) &&
		     !(flags & (PLAN_FOREIGN | PLAN_FROM_NULL));
	bool gives = !shape_frees(kind) && !(flags & (PLAN_FOREIGN | PLAN_TO_NOTHING)) &&
		     (takes || !(flags & PLAN_FAILED));
	uint64_t old = takes ? m->slots[op->slot] : 0;
	uint64_t new = gives ? t->identity : 0;

	if (takes)
		assert_int_not_equal(old, 0);
	if (gives && !takes)
		assert_int_equal(m->slots[op->slot], 0);
	if (takes)
		m->slots[op->slot] = 0;
	if (gives)
		m->slots[op->slot] = t->identity++;
	if (gives && !(flags & PLAN_FAILED))
		model_touch(m, op, part, size, takes);
	else
		assert_null(part);
	t->digest = digest_next(
		t->digest, digest_term(op->code & PLAN_IDENTITY, size, detail,
				       shape_changes(kind) ? digest_pair(old, new) : old | new));
}

static void model_mark(struct model *m, struct model_thread *t, const struct plan_op *op)
{
	uint64_t term = digest_term(op->code & PLAN_IDENTITY, op->slot, 0, 0);

	t->digest = digest_next(t->digest, term);
	if ((op->code & PLAN_VERB) == PLAN_EXIT) {
		t->ended = true;
	} else {
		assert_false(m->threads[op->slot].started);
		m->threads[op->slot].started = true;
	}
}

static void model_fold(struct model *m, const struct plan_op *op)
{
	const struct plan_operand *operand = (const void *)(op + 1);
	int64_t peak = m->live + (int64_t)wide(operand->size_high, operand->detail);

	m->peak = peak > m->peak ? peak : m->peak;
	m->live += (int64_t)wide(op->size, op->slot);
}

/* False while the thread may not pass. */
static bool model_epoch(struct model *m, struct model_thread *t, const struct plan_op *op)
{
	if (op->slot != PLAN_NONE && !t->left_epoch)
		m->left[op->slot]--;
	t->left_epoch = true;
	while (m->done < m->plan->epochs && !m->left[m->done])
		m->done++;
	if (op->size != PLAN_NONE && op->size >= m->plan->window &&
	    m->done <= op->size - m->plan->window)
		return false;
	t->left_epoch = false;
	m->epochs++;
	return true;
}

/* Executes the next entry; false when the thread has to wait, or has nothing to do. */
static bool model_step(struct model *m, struct model_thread *t)
{
	const struct plan_op *op = t->next, *part = NULL;
	bool call;

	if (!t->started || !t->left)
		return false;
	if ((op->code & PLAN_VERB) == PLAN_TOUCH)
		part = op++;
	call = (op->code & PLAN_VERB) < PLAN_WAIT;
	assert_true(call || !part);
	assert_false(t->ended);
	switch (op->code & PLAN_VERB) {
	case PLAN_WAIT:
		m->waits++;
		if (m->slots[op->slot] != plan_identity(op->code >> PLAN_SITE_SHIFT, op->size))
			return false;
		break;
	case PLAN_EPOCH:
		if (!model_epoch(m, t, op))
			return false;
		break;
	case PLAN_FOLD:
		model_fold(m, op);
		t->next++;
		break;
	case PLAN_SPAWN:
	case PLAN_EXIT:
		model_mark(m, t, op);
		break;
	default:
		model_call(m, t, op, part);
	}
	t->next += part ? 1 : 0;
	t->next += call && op->code & PLAN_SPECIAL ? 2 : 1;
	t->left--;
	return true;
}

/* The plan's new part. */
static void model_fill(struct model *m)
{
	const struct plan *plan = m->plan;
	const struct plan_stream *streams = at(plan, plan->streams_offset);
	struct model_thread *inherited = &m->threads[PLAN_INHERITED(plan->threads)];

	assert_in_range(plan->slots, m->n_slots, UINT32_MAX);
	m->slots = realloc(m->slots, (plan->slots + 1) * sizeof(*m->slots));
	memset(m->slots + m->n_slots, 0, (plan->slots - m->n_slots) * sizeof(*m->slots));
	m->blocks = realloc(m->blocks, (plan->slots + 1) * sizeof(*m->blocks));
	m->n_slots = plan->slots;
	m->left = realloc(m->left, (plan->epochs + 1) * sizeof(*m->left));
	memcpy(m->left, at(plan, plan->epochs_offset), plan->epochs * sizeof(*m->left));
	m->done = 0;
	for (uint32_t i = 0; i < PLAN_STREAMS(plan->threads); i++) {
		m->threads[i].next = at(plan, streams[i].offset);
		m->threads[i].left = streams[i].entries;
	}
	while (model_step(m, inherited))
		;
}

static void model_make(struct model *m, const struct plan *plan)
{
	uint32_t n = PLAN_STREAMS(plan->threads);

	*m = (struct model){.plan = plan, .threads = calloc(n, sizeof(*m->threads))};
	for (uint32_t i = 0; i < n; i++)
		m->threads[i].identity = plan_identity(i, 0);
	m->threads[plan->main].started = true;
	m->threads[PLAN_INHERITED(plan->threads)].started = true;
}

static void model_free(struct model *m)
{
	free(m->threads);
	free(m->slots);
	free(m->blocks);
	free(m->left);
}

/* Random turns: mostly one thread runs until it has to wait, which strains the window most. */
static void run_at_random(struct model *m, uint64_t seed)
{
	uint32_t n = m->plan->threads;
	uint64_t left = 0;
	int stuck = 0; /* rounds; leaving an epoch may help another thread without being a step */

	for (uint32_t i = 0; i < n; i++)
		left += m->threads[i].left;
	while (left) {
		uint32_t first = (uint32_t)(randomrows_next(&seed) % n);
		uint64_t most = randomrows_next(&seed) % 4 ? UINT64_MAX : 1;
		bool moved = false;

		for (uint32_t i = 0; i < n && !moved; i++)
			for (; most && model_step(m, &m->threads[(first + i) % n]); most--) {
				moved = true;
				left--;
			}
		stuck = moved ? 0 : stuck + 1;
		assert_true(stuck < 2);
	}
}

static void run_turns(struct model *m, uint64_t *order)
{
	const uint32_t *turns = at(m->plan, m->plan->turns_offset);

	for (uint64_t i = 0; i < m->plan->turns; i++) {
		uint32_t thread = turns[i] >> PLAN_TURN_SHIFT;

		for (uint32_t k = turns[i] & PLAN_TURN_MAX; k; k--)
			assert_true(model_step(m, &m->threads[thread]));
		*order = digest_join(*order, thread, m->threads[thread].digest);
	}
}

static uint64_t digest_of(const struct model *m)
{
	uint64_t digest = 0;

	for (uint32_t i = 0; i <= PLAN_INHERITED(m->plan->threads); i++)
		digest = digest_join(digest, i, m->threads[i].digest);
	return digest;
}

struct fixture {
	char path[64];
	struct trace *trace;
	struct survey survey;
};

static void fixture_make(struct fixture *f, const struct randomrows *how)
{
	struct bar bar = {0};
	int fd;

	strcpy(f->path, "/tmp/test_plan.XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	close(fd);
	randomrows_write(how, f->path);
	assert_int_equal(trace_open(&f->trace, f->path), 0);
	assert_int_equal(survey_make(&f->survey, f->trace, false, &bar), 0);
}

static void fixture_free(struct fixture *f)
{
	survey_fini(&f->survey);
	trace_close(f->trace);
	unlink(f->path);
}

static const struct randomrows shapes[] = {
	{1, 1, 3000, 50},   {2, 2, 3000, 20},    {3, 2, 3000, 1000},  {4, 5, 5000, 3},
	{5, 12, 8000, 100}, {6, 40, 20000, 400}, {7, 200, 30000, 50}, {8, 200, 2000, 2000},
};

#define WHOLE  UINT64_MAX
#define SHAPES (sizeof(shapes) / sizeof(*shapes))

/* How hard it was. */
struct seen {
	uint64_t waits;
	uint64_t parts;   /* after the first ones */
	uint64_t touches; /* of parts of blocks */
};

/* Compiles, lets the model run, compares; returns the digest. */
static uint64_t replay(struct fixture *f, const struct planner_options *options, uint64_t seed,
		       struct seen *seen)
{
	struct planner_result result;
	struct model model;
	uint64_t order = 0;

	assert_int_equal(planner_make(&result, f->trace, &f->survey, options), 0);
	assert_true(result.parts == 1 || options->memory_bytes < WHOLE);
	seen->parts += result.parts - 1;
	if (result.parts > 1)
		assert_int_equal(planner_rewind(&result), 0);
	model_make(&model, result.file.plan);
	model.counts = options->schedule == RUN_LOCKSTEP;
	for (uint32_t part = 1; part <= result.parts; part++) {
		model_fill(&model);
		if (options->schedule == RUN_LOCKSTEP)
			run_turns(&model, &order);
		else
			run_at_random(&model, seed);
		assert_int_equal(model.plan->last, part == result.parts);
		if (part < result.parts)
			assert_int_equal(planner_next(&result), 0);
	}
	assert_int_equal(options->schedule == RUN_LOCKSTEP, result.order_digest != 0);
	assert_true(options->schedule == RUN_LOCKSTEP || model.peak > 0);
	assert_int_equal(order, result.order_digest);
	assert_int_equal(digest_of(&model), result.digest);
	seen->waits += model.waits;
	seen->touches += model.parts;
	model_free(&model);
	planner_fini(&result);
	return result.digest;
}

static void test_any_turns_do_the_same(void **state)
{
	static const uint64_t skews[] = {1, 2, 7, 8, 9, 64, 1000, 4096, UINT32_MAX};
	struct seen seen = {0};

	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		struct fixture f;
		uint64_t digest;

		fixture_make(&f, &shapes[i]);
		digest = replay(&f, &(struct planner_options){RUN_LOCKSTEP, 1, false, WHOLE}, 0,
				&seen);
		assert_int_equal(replay(&f, &(struct planner_options){RUN_LOCKSTEP, 1, false, 100},
					0, &seen),
				 digest);
		for (size_t k = 0; k < sizeof(skews) / sizeof(*skews); k++) {
			for (uint64_t seed = 0; seed < 4; seed++) {
				struct planner_options options = {RUN_PARALLEL, skews[k], false,
								  seed % 2 ? 5000 : WHOLE};

				assert_int_equal(replay(&f, &options, seed, &seen), digest);
			}
		}
		fixture_free(&f);
	}
	assert_true(seen.waits > 1000 && seen.parts > 1000 &&
		    seen.touches > 100); /* or the traces were too easy */
}

/* Slots are reused: their number follows the living, not the trace. */
static void test_slots_are_few(void **state)
{
	struct randomrows how = {9, 8, 100000, 100};
	struct fixture f;

	(void)state;
	fixture_make(&f, &how);
	for (enum run_schedule s = RUN_LOCKSTEP; s <= RUN_PARALLEL; s++) {
		struct planner_options options = {s, 256, false, WHOLE};
		struct planner_result result;

		assert_int_equal(planner_make(&result, f.trace, &f.survey, &options), 0);
		assert_in_range(result.file.plan->slots, 60, s == RUN_LOCKSTEP ? 300 : 1500);
		planner_fini(&result);
	}
	fixture_free(&f);
}

/*
 * 24 bytes a call at most, waits included, where half of the calls have an operand and one free in
 * many is another thread's. Real programs: test_schedules.py.
 */
static void test_plan_is_small(void **state)
{
	struct randomrows how = {10, 3, 60000, 1000};
	struct planner_options options = {RUN_PARALLEL, 4096, false, WHOLE};
	struct planner_result result;
	const struct plan_stream *streams;
	uint64_t cells = 0;
	struct fixture f;

	(void)state;
	fixture_make(&f, &how);
	assert_int_equal(planner_make(&result, f.trace, &f.survey, &options), 0);
	streams = at(result.file.plan, result.file.plan->streams_offset);
	for (uint32_t i = 0; i < result.file.plan->threads; i++)
		cells += streams[i].cells;
	print_message("# %.1f bytes a call\n",
		      (double)(cells * sizeof(struct plan_op)) / (double)result.ops);
	assert_true(cells * sizeof(struct plan_op) <= 24 * result.ops);
	planner_fini(&result);
	fixture_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_turns_do_the_same),
		cmocka_unit_test(test_slots_are_few),
		cmocka_unit_test(test_plan_is_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
