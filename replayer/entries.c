#include "entries.h"

#include "digest.h"
#include "shape.h"

#include <errno.h>
#include <stdlib.h>

int entries_init(struct entries *e, const struct survey *survey, struct planfile *file,
		 bool lockstep)
{
	*e = (struct entries){.survey = survey, .file = file, .lockstep = lockstep};
	e->tempo.grain_ns = survey->steps.grain_ns;
	e->tempo.step_ns = tempo_usual_step(&survey->steps);
	e->digests = calloc(PLAN_STREAMS(survey->n_threads), sizeof(*e->digests));
	return e->digests ? 0 : -ENOMEM;
}

void entries_fini(struct entries *e)
{
	free(e->digests);
}

static void digest_add(struct entries *e, uint32_t stream, uint64_t term)
{
	e->digests[stream] = digest_next(e->digests[stream], term);
}

/* The thread's next entry is due at the time of this row. */
static void gap_put(struct entries *e, uint32_t thread)
{
	struct stream *stream = &e->file->streams[thread];

	if (stream->gaps && thread < e->survey->n_threads)
		stream_put_gap(stream, e->tempo.now_ns);
}

static void turn_close(struct entries *e)
{
	uint32_t thread;

	if (!e->file->n_turns)
		return;
	thread = e->file->turns[e->file->n_turns - 1] >> PLAN_TURN_SHIFT;
	e->order_digest = digest_join(e->order_digest, thread, e->digests[thread]);
}

bool entries_turn_goes_on(const struct entries *e, uint32_t thread)
{
	const uint32_t *next = &e->file->turns[e->file->n_turns];

	return e->file->n_turns && next[-1] >> PLAN_TURN_SHIFT == thread &&
	       (next[-1] & PLAN_TURN_MAX) < PLAN_TURN_MAX;
}

/* The next entry of the total order is one of that thread's. Before the digest learns of it. */
static void turn_add(struct entries *e, uint32_t thread)
{
	uint32_t *next = &e->file->turns[e->file->n_turns];

	if (!e->lockstep || thread >= e->survey->n_threads)
		return;
	if (entries_turn_goes_on(e, thread)) {
		next[-1]++;
		return;
	}
	turn_close(e);
	*next = thread << PLAN_TURN_SHIFT | 1;
	e->file->n_turns++;
}

/* What a call is executed as. */
static unsigned kind_of(const struct trace_event *event)
{
	if (event->kind != TRACE_INHERITED)
		return event->kind;
	return event->align ? TRACE_MEMALIGN : TRACE_MALLOC;
}

static void tally(struct entries *e, const struct entries_call *call)
{
	e->failed += !!(call->flags & PLAN_FAILED);
	e->foreign += !!(call->flags & PLAN_FOREIGN);
	e->ops += call->event->kind != TRACE_INHERITED && !(call->flags & PLAN_FOREIGN);
}

struct plan_op *entries_call(struct entries *e, const struct entries_call *call)
{
	const struct trace_event *event = call->event;
	unsigned kind = kind_of(event);
	uint32_t site = event->site < e->file->plan->sites ? event->site : PLAN_NO_SITE;
	uint32_t code = kind | site << PLAN_SITE_SHIFT;
	bool special = shape_changes(kind) || shape_aligned(kind) || call->flags ||
		       call->size > UINT32_MAX;
	struct stream *stream = &e->file->streams[call->stream];
	struct resident_part part;
	uint64_t most = call->detail < PLAN_DETAIL_MAX ? call->detail : PLAN_DETAIL_MAX;
	uint64_t detail = special ? digest_detail(most, call->flags) : 0;
	struct plan_op *op;

	turn_add(e, call->stream);
	gap_put(e, call->stream);
	if (resident_part(&e->survey->resident, event, shape_changes(kind) ? call->detail : 0,
			  &part))
		stream_put_touch(stream, part);
	op = stream_put(stream, call->slot, (uint32_t)call->size,
			code | (special ? PLAN_SPECIAL : 0));
	if (special)
		stream_put_operand(stream, (struct plan_operand){
						   .size_high = (uint32_t)(call->size >> 32),
						   .detail = (uint32_t)most,
						   .old_high = (uint16_t)(most >> 32),
						   .flags = (uint16_t)call->flags,
					   });
	digest_add(e, call->stream, digest_term(code, call->size, detail, call->identity));
	tally(e, call);
	return op;
}

void entries_mark(struct entries *e, uint32_t thread, uint32_t verb, uint32_t slot)
{
	turn_add(e, thread);
	gap_put(e, thread);
	stream_put(&e->file->streams[thread], slot, 0, verb | PLAN_SPECIAL);
	digest_add(e, thread, digest_term(verb, slot, 0, 0));
}

void entries_part(struct entries *e)
{
	turn_close(e);
}

uint64_t entries_digest(const struct entries *e)
{
	uint64_t digest = 0;

	for (uint32_t i = 0; i <= PLAN_INHERITED(e->survey->n_threads); i++)
		digest = digest_join(digest, i, e->digests[i]);
	return digest;
}
