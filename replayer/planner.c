#include "planner.h"

#include "digest.h"
#include "pacing.h"
#include "shape.h"
#include "slots.h"
#include "traces/live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct planner_thread {
	uint64_t digest;
	uint32_t births;
	bool started;
};

struct planner {
	struct planner_result *result;
	const struct survey *survey;
	const struct planner_options *options;
	struct planner_thread *threads; /* by stream */
	struct pacing pacing;
	struct slots slots;
	struct live live;
	struct tempo tempo;
	uint64_t row;
	uint64_t turns;
	uint32_t n_sites;
};

static struct stream *stream_of(struct planner *p, uint32_t thread)
{
	return &p->result->file.streams[thread];
}

static bool lockstep(const struct planner *p)
{
	return p->options->schedule == RUN_LOCKSTEP;
}

static bool paced(const struct planner *p)
{
	return p->options->schedule == RUN_PACED;
}

/* The thread's next entry is due at the time of this row. */
static void gap_put(struct planner *p, uint32_t thread)
{
	struct stream *stream = stream_of(p, thread);

	if (stream->gaps && thread < p->survey->n_threads)
		stream_put_gap(stream, p->tempo.now_ns);
}

/* ---- lockstep: turns ---- */

static void turn_close(struct planner *p)
{
	uint32_t thread;

	if (!p->turns)
		return;
	thread = p->result->file.turns[p->turns - 1] >> PLAN_TURN_SHIFT;
	p->result->order_digest =
		digest_join(p->result->order_digest, thread, p->threads[thread].digest);
}

/* The next entry of the total order is one of that thread's. Before the digest learns of it. */
static void turn_add(struct planner *p, uint32_t thread)
{
	uint32_t *next = &p->result->file.turns[p->turns];

	if (!lockstep(p) || thread >= p->survey->n_threads)
		return;
	if (p->turns && next[-1] >> PLAN_TURN_SHIFT == thread &&
	    (next[-1] & PLAN_TURN_MAX) < PLAN_TURN_MAX) {
		next[-1]++;
		return;
	}
	turn_close(p);
	*next = thread << PLAN_TURN_SHIFT | 1;
	p->turns++;
}

static uint32_t epoch_now(const struct planner *p)
{
	return pacing_epoch(&p->pacing, p->row);
}

/* ---- calls ---- */

struct call {
	const struct trace_event *event;
	uint32_t stream;
	uint32_t slot;
	uint32_t flags;
	uint64_t size;
	uint64_t detail;
	uint64_t identity; /* the digest's */
};

/* Writes the entry of a call; returns it. */
static struct plan_op *call_put(struct planner *p, const struct call *call)
{
	const struct trace_event *event = call->event;
	unsigned kind = event->kind == TRACE_INHERITED
				? event->align ? TRACE_MEMALIGN : TRACE_MALLOC
				: event->kind;
	uint32_t site = event->site < p->n_sites ? event->site : PLAN_NO_SITE;
	uint32_t code = kind | site << PLAN_SITE_SHIFT;
	bool special = shape_changes(kind) || shape_aligned(kind) || call->flags ||
		       call->size > UINT32_MAX;
	struct stream *stream = stream_of(p, call->stream);
	struct planner_thread *t = &p->threads[call->stream];
	uint64_t most = call->detail < PLAN_DETAIL_MAX ? call->detail : PLAN_DETAIL_MAX;
	uint64_t detail = special ? digest_detail(most, call->flags) : 0;
	struct plan_op *op;

	turn_add(p, call->stream);
	gap_put(p, call->stream);
	op = stream_put(stream, call->slot, (uint32_t)call->size,
			code | (special ? PLAN_SPECIAL : 0));
	if (special)
		stream_put_operand(stream, (struct plan_operand){
						   .size_high = (uint32_t)(call->size >> 32),
						   .detail = (uint32_t)most,
						   .old_high = (uint16_t)(most >> 32),
						   .flags = (uint16_t)call->flags,
					   });
	t->digest = digest_next(t->digest, digest_term(code, call->size, detail, call->identity));
	p->result->failed += !!(call->flags & PLAN_FAILED);
	p->result->foreign += !!(call->flags & PLAN_FOREIGN);
	p->result->ops += event->kind != TRACE_INHERITED && !(call->flags & PLAN_FOREIGN);
	return op;
}

static int trace_fault(struct planner *p, const char *what, uint64_t object)
{
	snprintf(p->result->error, sizeof(p->result->error),
		 "row %llu: object %llu %s; `haktrace verify` tells more",
		 (unsigned long long)p->row, (unsigned long long)object, what);
	return -EBADMSG;
}

static uint64_t place_identity(const struct pacing_place *place)
{
	return plan_identity(place->stream, place->birth);
}

/* Notes where an object is to be found from now on. */
static void place_note(struct planner *p, const struct call *call, struct plan_op *op,
		       uint64_t object)
{
	struct pacing_place *place = live_payload(live_find(&p->live, object));
	struct planner_thread *t = &p->threads[call->stream];

	*place = (struct pacing_place){op, call->slot, call->stream, t->births++, epoch_now(p)};
}

/* Notes the object just born. */
static int birth_note(struct planner *p, const struct call *call, struct plan_op *op)
{
	int error = live_birth(&p->live, call->event);

	if (error)
		return error == -ENOMEM
			       ? error
			       : trace_fault(p, "is not the next one", call->event->object);
	place_note(p, call, op, call->event->object);
	return 0;
}

static int plan_birth(struct planner *p, const struct trace_event *event, uint32_t stream)
{
	struct call call = {
		.event = event, .stream = stream, .size = event->size, .detail = event->align};
	int64_t slot;
	int error;

	if (event->object == TRACE_NONE) {
		call.flags = PLAN_FAILED;
		call_put(p, &call);
		return 0;
	}
	/* Inherited objects are born before all others, wherever their row stands. */
	slot = event->kind == TRACE_INHERITED ? slots_make(&p->slots)
					      : slots_take(&p->slots, stream, epoch_now(p));
	if (slot < 0)
		return (int)slot;
	call.slot = (uint32_t)slot;
	call.identity = plan_identity(stream, p->threads[stream].births);
	error = birth_note(p, &call, call_put(p, &call));
	if (!error)
		pacing_live(&p->pacing, stream, 0, event->size);
	return error;
}

static int plan_death(struct planner *p, const struct trace_event *event)
{
	struct live_object *object = live_find(&p->live, event->old_object);
	struct call call = {.event = event, .stream = event->thread};
	struct pacing_place place;

	if (event->old_object == TRACE_NONE) {
		call.flags = PLAN_FOREIGN;
		call_put(p, &call);
		return 0;
	}
	if (!object)
		return trace_fault(p, "is freed but not alive", event->old_object);
	place = *(struct pacing_place *)live_payload(object);
	pacing_wait(&p->pacing, event->thread, &place, epoch_now(p));
	call.slot = place.slot;
	call.size = object->size;
	call.detail = shape_aligned(event->kind) ? object->align : 0;
	call.identity = place_identity(&place);
	call_put(p, &call);
	pacing_live(&p->pacing, event->thread, object->size, 0);
	live_death(&p->live, event->old_object);
	return slots_give(&p->slots, place.slot, event->thread, epoch_now(p));
}

/* A realloc without an old object: of NULL, or of a foreign block, whose place it then takes. */
static int plan_change_of_none(struct planner *p, const struct trace_event *event)
{
	bool born = event->object != TRACE_NONE;
	struct call call = {.event = event, .stream = event->thread, .size = event->size};
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
		slot = slots_take(&p->slots, event->thread, epoch_now(p));
	if (slot < 0)
		return (int)slot;
	call.slot = (uint32_t)slot;
	if (born)
		call.identity = digest_pair(
			0, plan_identity(event->thread, p->threads[event->thread].births));
	else
		call.identity = digest_pair(0, 0);
	if (born)
		error = birth_note(p, &call, call_put(p, &call));
	else
		call_put(p, &call);
	if (!error && born)
		pacing_live(&p->pacing, event->thread, 0, event->size);
	return error;
}

/* Does to the living what a realloc does; `call` is complete but for its entry. */
static int change_note(struct planner *p, const struct call *call, uint64_t old_size)
{
	const struct trace_event *event = call->event;
	struct plan_op *op = call_put(p, call);

	/* The object lives on, but nobody may free it before this call is over. */
	if (call->flags & PLAN_FAILED) {
		place_note(p, call, op, event->old_object);
		return 0;
	}
	live_death(&p->live, event->old_object);
	if (call->flags & PLAN_TO_NOTHING) {
		pacing_live(&p->pacing, call->stream, old_size, 0);
		return slots_give(&p->slots, call->slot, call->stream, epoch_now(p));
	}
	pacing_live(&p->pacing, call->stream, old_size, event->size);
	return birth_note(p, call, op);
}

static int plan_change(struct planner *p, const struct trace_event *event)
{
	struct live_object *object = live_find(&p->live, event->old_object);
	struct call call = {.event = event, .stream = event->thread, .size = event->size};
	struct pacing_place place;
	uint64_t born = 0;

	if (event->old_object == TRACE_NONE)
		return plan_change_of_none(p, event);
	if (!object)
		return trace_fault(p, "is reallocated but not alive", event->old_object);
	place = *(struct pacing_place *)live_payload(object);
	pacing_wait(&p->pacing, event->thread, &place, epoch_now(p));
	if (event->flags & TRACE_FAILED)
		call.flags = PLAN_FAILED;
	else if (event->object == TRACE_NONE)
		call.flags = PLAN_TO_NOTHING;
	if (call.flags != PLAN_TO_NOTHING)
		born = plan_identity(event->thread, p->threads[event->thread].births);
	call.slot = place.slot;
	call.detail = object->size;
	call.identity = digest_pair(place_identity(&place), born);
	return change_note(p, &call, object->size);
}

/* ---- threads ---- */

static void verb_put(struct planner *p, uint32_t thread, uint32_t verb, uint32_t slot)
{
	struct planner_thread *t = &p->threads[thread];

	turn_add(p, thread);
	gap_put(p, thread);
	stream_put(stream_of(p, thread), slot, 0, verb | PLAN_SPECIAL);
	t->digest = digest_next(t->digest, digest_term(verb, slot, 0, 0));
}

static void thread_start(struct planner *p, uint32_t thread)
{
	uint32_t creator = p->survey->threads[thread].creator;

	if (p->threads[thread].started)
		return;
	p->threads[thread].started = true;
	if (thread == p->survey->main)
		return;
	pacing_pass(&p->pacing, creator, epoch_now(p));
	verb_put(p, creator, PLAN_SPAWN, thread);
}

static void thread_end(struct planner *p, uint32_t thread)
{
	const struct survey_thread *t = &p->survey->threads[thread];

	if (thread == p->survey->main || !t->exits || p->row != t->last_row)
		return;
	pacing_pass(&p->pacing, thread, PLAN_NONE);
	pacing_fold(&p->pacing, thread);
	verb_put(p, thread, PLAN_EXIT, 0);
}

static int plan_row(struct planner *p, const struct trace_event *event)
{
	int error = 0;

	if (event->kind == TRACE_INHERITED)
		return plan_birth(p, event, PLAN_INHERITED(p->survey->n_threads));
	if (event->kind > TRACE_THREAD_EXIT)
		return 0;
	thread_start(p, event->thread);
	pacing_pass(&p->pacing, event->thread, epoch_now(p));
	if (event->kind < TRACE_MARKS && shape_changes(event->kind))
		error = plan_change(p, event);
	else if (event->kind < TRACE_MARKS && shape_frees(event->kind))
		error = plan_death(p, event);
	else if (event->kind < TRACE_MARKS)
		error = plan_birth(p, event, event->thread);
	if (!error)
		thread_end(p, event->thread);
	return error;
}

static int plan_rows(struct planner *p, struct trace *trace)
{
	const struct trace_batch *batch;
	struct trace_cursor *cursor;
	int got = trace_cursor_open(&cursor, trace, NULL);

	if (got)
		return got;
	while (p->row < p->survey->rows && (got = trace_cursor_next(cursor, &batch)) > 0) {
		for (size_t i = 0; got > 0 && i < batch->rows; i++, p->row++) {
			struct trace_event event = trace_batch_event(batch, i);
			int error;

			if (paced(p) && event.kind <= TRACE_THREAD_EXIT)
				tempo_time(&p->tempo, batch, i);
			error = plan_row(p, &event);
			got = error ? error : got;
		}
		if (got < 0)
			break;
	}
	trace_cursor_close(cursor);
	return got < 0 ? got : 0;
}

/* ---- the whole ---- */

/* Lists what is alive, so that it can be verified. */
static void survivors_put(struct planner *p)
{
	struct stream *stream = stream_of(p, PLAN_SURVIVORS(p->survey->n_threads));

	for (uint64_t i = 0; i < p->live.next; i++) {
		struct live_object *object = live_find(&p->live, i);
		const struct pacing_place *place = object ? live_payload(object) : NULL;

		if (!object)
			continue;
		stream_put(stream, place->slot, (uint32_t)object->size,
			   PLAN_SURVIVOR | PLAN_SPECIAL);
		stream_put_operand(
			stream, (struct plan_operand){.size_high = (uint32_t)(object->size >> 32)});
	}
}

static void finish(struct planner *p)
{
	struct planner_result *r = p->result;
	uint32_t inherited = PLAN_INHERITED(p->survey->n_threads);

	for (uint32_t i = 0; i <= inherited; i++) {
		pacing_pass(&p->pacing, i, PLAN_NONE);
		pacing_fold(&p->pacing, i);
	}
	turn_close(p);
	for (uint32_t i = 0; i <= inherited; i++)
		r->digest = digest_join(r->digest, i, p->threads[i].digest);
	if (p->options->survivors)
		survivors_put(p);
	r->peak_live_bytes = p->live.peak_bytes;
	r->file.plan->kinds = p->survey->kinds | 1ull << TRACE_MALLOC | 1ull << TRACE_MEMALIGN;
	r->file.plan->slots = p->slots.used;
	r->file.plan->turns = p->turns;
	planfile_finish(&r->file);
}

static int start(struct planner *p, struct trace *trace)
{
	const struct survey *survey = p->survey;
	const struct trace_site *sites;
	uint32_t n = PLAN_STREAMS(survey->n_threads);
	uint64_t epochs;
	int error;

	p->n_sites = (uint32_t)trace_sites(trace, &sites);
	if (p->n_sites > PLAN_MAX_SITES || survey->n_threads > PLAN_MAX_THREADS)
		return -E2BIG;
	pacing_init(&p->pacing, survey, lockstep(p), p->options->skew);
	epochs = pacing_epochs(&p->pacing, survey->rows);
	if (epochs >= PLAN_NONE)
		return -E2BIG;
	error = planfile_open(&p->result->file, survey, (uint32_t)epochs, p->n_sites, paced(p));
	if (error)
		return error;
	for (uint32_t i = 0; i < p->n_sites; i++)
		p->result->file.keys[i] = trace_site_key(trace, i);
	p->tempo.step_ns = tempo_usual_step(&survey->steps);
	p->threads = calloc(n, sizeof(*p->threads));
	if (!p->threads)
		return -ENOMEM;
	live_init(&p->live, sizeof(struct pacing_place));
	error = pacing_begin(&p->pacing, &p->result->file);
	if (error)
		return error;
	return slots_init(&p->slots, n, p->pacing.window);
}

int planner_make(struct planner_result *result, struct trace *trace, const struct survey *survey,
		 const struct planner_options *options)
{
	struct planner p = {.result = result, .survey = survey, .options = options};
	int error;

	*result = (struct planner_result){.file.fd = -1};
	error = start(&p, trace);
	if (!error)
		error = plan_rows(&p, trace);
	if (!error)
		finish(&p);
	else if (!*result->error)
		snprintf(result->error, sizeof(result->error), "%s",
			 error == -EBADMSG ? trace_error(trace)
			 : error == -E2BIG
				 ? "it has more threads, sites or rows than a plan can hold"
				 : strerror(-error));
	live_fini(&p.live);
	slots_fini(&p.slots);
	pacing_fini(&p.pacing);
	free(p.threads);
	return error;
}

void planner_fini(struct planner_result *result)
{
	planfile_close(&result->file);
}
