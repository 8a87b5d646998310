#include "compiler.h"

#include "digest.h"
#include "shape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct compiler_thread {
	uint32_t births;
	bool started;
};

static bool lockstep(const struct compiler *c)
{
	return c->schedule == RUN_LOCKSTEP;
}

static uint32_t epoch_now(const struct compiler *c)
{
	return pacing_epoch(&c->pacing, c->row);
}

static int trace_fault(struct compiler *c, const char *what, uint64_t object)
{
	snprintf(c->error, sizeof(c->error),
		 "row %llu: object %llu %s; `haktrace verify` tells more",
		 (unsigned long long)c->row, (unsigned long long)object, what);
	return -EBADMSG;
}

static uint64_t place_identity(const struct pacing_place *place)
{
	return plan_identity(place->stream, place->birth);
}

/* Notes where an object is to be found from now on. */
static void place_note(struct compiler *c, const struct entries_call *call, struct plan_op *op,
		       uint64_t object)
{
	struct pacing_place *place = live_payload(live_find(&c->live, object));
	struct compiler_thread *t = &c->threads[call->stream];

	*place = (struct pacing_place){op, call->slot, call->stream, t->births++, epoch_now(c)};
}

/* Notes the object just born. */
static int birth_note(struct compiler *c, const struct entries_call *call, struct plan_op *op)
{
	int error = live_birth(&c->live, call->event);

	if (error)
		return error == -ENOMEM
			       ? error
			       : trace_fault(c, "is not the next one", call->event->object);
	place_note(c, call, op, call->event->object);
	return 0;
}

static int plan_birth(struct compiler *c, const struct trace_event *event, uint32_t stream)
{
	struct entries_call call = {
		.event = event, .stream = stream, .size = event->size, .detail = event->align};
	int64_t slot;
	int error;

	if (event->object == TRACE_NONE) {
		call.flags = PLAN_FAILED;
		entries_call(&c->entries, &call);
		return 0;
	}
	/* Inherited objects are born before all others, wherever their row stands. */
	slot = event->kind == TRACE_INHERITED ? slots_make(&c->slots)
					      : slots_take(&c->slots, stream, epoch_now(c));
	if (slot < 0)
		return (int)slot;
	call.slot = (uint32_t)slot;
	call.identity = plan_identity(stream, c->threads[stream].births);
	error = birth_note(c, &call, entries_call(&c->entries, &call));
	if (!error)
		pacing_live(&c->pacing, stream, 0, event->size);
	return error;
}

static int plan_death(struct compiler *c, const struct trace_event *event)
{
	struct live_object *object = live_find(&c->live, event->old_object);
	struct entries_call call = {.event = event, .stream = event->thread};
	struct pacing_place place;

	if (event->old_object == TRACE_NONE) {
		call.flags = PLAN_FOREIGN;
		entries_call(&c->entries, &call);
		return 0;
	}
	if (!object)
		return trace_fault(c, "is freed but not alive", event->old_object);
	place = *(struct pacing_place *)live_payload(object);
	pacing_wait(&c->pacing, event->thread, &place, epoch_now(c));
	call.slot = place.slot;
	call.size = object->size;
	call.detail = shape_aligned(event->kind) ? object->align : 0;
	call.identity = place_identity(&place);
	entries_call(&c->entries, &call);
	pacing_live(&c->pacing, event->thread, object->size, 0);
	live_death(&c->live, event->old_object);
	return slots_give(&c->slots, place.slot, event->thread, epoch_now(c));
}

/* A realloc without an old object: of NULL, or of a foreign block, whose place it then takes. */
static int plan_change_of_none(struct compiler *c, const struct trace_event *event)
{
	bool born = event->object != TRACE_NONE;
	struct entries_call call = {.event = event, .stream = event->thread, .size = event->size};
	int64_t slot = 0;
	int error = 0;

	if (!born && event->flags & TRACE_FOREIGN)
		call.flags = PLAN_FOREIGN;
	else if (!born)
		call.flags = PLAN_FROM_NULL |
			     (event->flags & TRACE_FAILED ? PLAN_FAILED : PLAN_TO_NOTHING);
	else
		call.flags = PLAN_FROM_NULL;
	if (born)
		slot = slots_take(&c->slots, event->thread, epoch_now(c));
	if (slot < 0)
		return (int)slot;
	call.slot = (uint32_t)slot;
	if (born)
		call.identity = digest_pair(
			0, plan_identity(event->thread, c->threads[event->thread].births));
	else
		call.identity = digest_pair(0, 0);
	if (born)
		error = birth_note(c, &call, entries_call(&c->entries, &call));
	else
		entries_call(&c->entries, &call);
	if (!error && born)
		pacing_live(&c->pacing, event->thread, 0, event->size);
	return error;
}

/* Does to the living what a realloc does; `call` is complete but for its entry. */
static int change_note(struct compiler *c, const struct entries_call *call, uint64_t old_size)
{
	const struct trace_event *event = call->event;
	struct plan_op *op = entries_call(&c->entries, call);

	/* The object lives on, but nobody may free it before this call is over. */
	if (call->flags & PLAN_FAILED) {
		place_note(c, call, op, event->old_object);
		return 0;
	}
	live_death(&c->live, event->old_object);
	if (call->flags & PLAN_TO_NOTHING) {
		pacing_live(&c->pacing, call->stream, old_size, 0);
		return slots_give(&c->slots, call->slot, call->stream, epoch_now(c));
	}
	pacing_live(&c->pacing, call->stream, old_size, event->size);
	return birth_note(c, call, op);
}

static int plan_change(struct compiler *c, const struct trace_event *event)
{
	struct live_object *object = live_find(&c->live, event->old_object);
	struct entries_call call = {.event = event, .stream = event->thread, .size = event->size};
	struct pacing_place place;
	uint64_t born = 0;

	if (event->old_object == TRACE_NONE)
		return plan_change_of_none(c, event);
	if (!object)
		return trace_fault(c, "is reallocated but not alive", event->old_object);
	place = *(struct pacing_place *)live_payload(object);
	pacing_wait(&c->pacing, event->thread, &place, epoch_now(c));
	if (event->flags & TRACE_FAILED)
		call.flags = PLAN_FAILED;
	else if (event->object == TRACE_NONE)
		call.flags = PLAN_TO_NOTHING;
	if (call.flags != PLAN_TO_NOTHING)
		born = plan_identity(event->thread, c->threads[event->thread].births);
	call.slot = place.slot;
	call.detail = object->size;
	call.identity = digest_pair(place_identity(&place), born);
	return change_note(c, &call, object->size);
}

/* ---- threads ---- */

static void thread_start(struct compiler *c, uint32_t thread)
{
	uint32_t creator = c->survey->threads[thread].creator;

	if (c->threads[thread].started)
		return;
	c->threads[thread].started = true;
	if (thread == c->survey->main)
		return;
	pacing_pass(&c->pacing, creator, epoch_now(c));
	entries_mark(&c->entries, creator, PLAN_SPAWN, thread);
}

static void thread_end(struct compiler *c, uint32_t thread)
{
	const struct survey_thread *t = &c->survey->threads[thread];

	if (thread == c->survey->main || !t->exits || c->row != t->last_row)
		return;
	pacing_pass(&c->pacing, thread, PLAN_NONE);
	pacing_fold(&c->pacing, thread);
	entries_mark(&c->entries, thread, PLAN_EXIT, 0);
}

int compiler_row(struct compiler *c, const struct trace_batch *batch, size_t i)
{
	struct trace_event row = trace_batch_event(batch, i);
	const struct trace_event *event = &row;
	int error = 0;

	c->row = batch->first_row + i;
	if (c->schedule == RUN_PACED && event->kind <= TRACE_THREAD_EXIT)
		tempo_time(&c->entries.tempo, batch, i);

	if (event->kind == TRACE_INHERITED)
		return plan_birth(c, event, PLAN_INHERITED(c->survey->n_threads));
	if (event->kind > TRACE_THREAD_EXIT)
		return 0;
	thread_start(c, event->thread);
	pacing_pass(&c->pacing, event->thread, epoch_now(c));
	if (event->kind < TRACE_MARKS && shape_changes(event->kind))
		error = plan_change(c, event);
	else if (event->kind < TRACE_MARKS && shape_frees(event->kind))
		error = plan_death(c, event);
	else if (event->kind < TRACE_MARKS)
		error = plan_birth(c, event, event->thread);
	if (!error)
		thread_end(c, event->thread);
	return error;
}

bool compiler_seam(const struct compiler *c, const struct trace_batch *batch, size_t i)
{
	uint32_t thread = batch->thread[i];

	if (batch->kind[i] > TRACE_THREAD_EXIT)
		return false;
	if (!c->threads[thread].started && thread != c->survey->main)
		thread = c->survey->threads[thread].creator;
	return !lockstep(c) || !entries_turn_goes_on(&c->entries, thread);
}

void compiler_part(struct compiler *c)
{
	struct plan *plan = c->file->plan;

	for (uint32_t i = 0; i <= PLAN_INHERITED(c->survey->n_threads); i++) {
		pacing_pass(&c->pacing, i, PLAN_NONE);
		pacing_fold(&c->pacing, i);
	}
	entries_part(&c->entries);
	plan->kinds = c->survey->kinds | 1ull << TRACE_MALLOC | 1ull << TRACE_MEMALIGN;
	plan->slots = c->slots.used;
	plan->turns = c->file->n_turns;
	plan->epochs = c->pacing.window ? epoch_now(c) - c->pacing.first_epoch + 1 : 0;
	pacing_part(&c->pacing, c->row + 1);
}

void compiler_survivors(struct compiler *c)
{
	struct stream *stream = &c->file->streams[PLAN_SURVIVORS(c->survey->n_threads)];

	for (uint64_t i = 0; i < c->live.next; i++) {
		struct live_object *object = live_find(&c->live, i);
		const struct pacing_place *place = object ? live_payload(object) : NULL;

		if (!object)
			continue;
		stream_put(stream, place->slot, (uint32_t)object->size,
			   PLAN_SURVIVOR | PLAN_SPECIAL);
		stream_put_operand(
			stream, (struct plan_operand){.size_high = (uint32_t)(object->size >> 32)});
	}
}

struct compiler_tally compiler_tally(const struct compiler *c)
{
	return (struct compiler_tally){
		.ops = c->entries.ops,
		.foreign = c->entries.foreign,
		.failed = c->entries.failed,
		.peak_live_bytes = c->live.peak_bytes,
		.digest = entries_digest(&c->entries),
		.order_digest = c->entries.order_digest,
	};
}

int compiler_init(struct compiler *c, const struct survey *survey, enum run_schedule schedule,
		  uint64_t skew, struct planfile *file)
{
	uint32_t n = PLAN_STREAMS(survey->n_threads);
	int error;

	*c = (struct compiler){.survey = survey, .schedule = schedule, .file = file};
	c->threads = calloc(n, sizeof(*c->threads));
	live_init(&c->live, sizeof(struct pacing_place));
	pacing_init(&c->pacing, survey, lockstep(c), skew);
	error = entries_init(&c->entries, survey, file, lockstep(c));
	if (!error)
		error = pacing_begin(&c->pacing, file);
	if (error || !c->threads)
		return -ENOMEM;
	return slots_init(&c->slots, n, c->pacing.window);
}

void compiler_fini(struct compiler *c)
{
	live_fini(&c->live);
	slots_fini(&c->slots);
	pacing_fini(&c->pacing);
	entries_fini(&c->entries);
	free(c->threads);
}
