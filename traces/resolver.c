#include "resolver.h"

#include "idmap.h"

#include <errno.h>
#include <stdlib.h>

/* A call held back, and the addresses whose turn it depends on; 0: none. */
struct held_call {
	struct logged_call call;
	uint64_t needs;  /* must be allocated */
	uint64_t ends;   /* is free afterwards; equals needs, or 0 */
	uint64_t begins; /* must be free, is allocated afterwards */
	uint32_t thread;
	bool done;
};

struct resolver_thread {
	uint64_t tid;
	uint64_t start_ns;
	bool started;
	bool busy; /* a call of it is being written: it cannot be brought forward */
};

struct resolver {
	struct trace_writer *writer;
	struct resolver_counts counts;
	struct idmap objects; /* by address */
	struct idmap numbers; /* of threads, by tid + 1 */
	struct resolver_thread *threads;
	size_t n_threads;
	uint64_t first_ns;
	uint64_t now_ns;
	uint64_t head, tail; /* the calls held back: held[i % RESOLVER_WINDOW] */
	struct held_call held[RESOLVER_WINDOW];
};

struct resolver *resolver_create(struct trace_writer *writer)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r)
		r->writer = writer;
	return r;
}

void resolver_destroy(struct resolver *r)
{
	if (!r)
		return;
	idmap_fini(&r->objects);
	idmap_fini(&r->numbers);
	free(r->threads);
	free(r);
}

const struct resolver_counts *resolver_counts(const struct resolver *r)
{
	return &r->counts;
}

static struct held_call *held(struct resolver *r, uint64_t at)
{
	return &r->held[at % RESOLVER_WINDOW];
}

static void find(struct resolver_finding *finding, const struct logged_call *call, uint64_t addr)
{
	if (!finding->calls++) {
		finding->line = call->line;
		finding->addr = addr;
	}
}

/* ---- writing ---- */

/* Fills in the objects of the row, and who is alive after it. */
static int resolve(struct resolver *r, const struct held_call *h, struct trace_event *row)
{
	uint64_t born = trace_writer_objects(r->writer);

	if (h->needs) {
		row->old_object = idmap_get(&r->objects, h->needs);
		if (row->old_object == IDMAP_NONE) {
			row->flags |= TRACE_FOREIGN;
			find(&r->counts.foreign, &h->call, h->needs);
		}
	}
	if (h->ends)
		idmap_remove(&r->objects, h->ends);
	if (!h->begins)
		return 0;
	if (idmap_get(&r->objects, h->begins) != IDMAP_NONE)
		find(&r->counts.lost, &h->call, h->begins);
	row->object = born;
	if (h->needs && h->needs != h->begins)
		row->flags |= TRACE_MOVED;
	return idmap_set(&r->objects, h->begins, born);
}

static int write_start(struct resolver *r, uint32_t number)
{
	struct trace_event row = {
		.kind = TRACE_THREAD_START,
		.time_ns = r->now_ns,
		.object = TRACE_NONE,
		.old_object = TRACE_NONE,
		.thread = number,
		.site = TRACE_NO_SITE,
	};

	if (r->threads[number].started)
		return 0;
	r->threads[number].started = true;
	return trace_writer_event(r->writer, &row);
}

static int write_call(struct resolver *r, const struct held_call *h, uint8_t flags)
{
	struct resolver_thread *thread = &r->threads[h->thread];
	struct trace_event row = {
		.kind = h->call.kind,
		.flags = flags,
		.time_ns = r->now_ns,
		.size = h->call.size,
		.align = h->call.align,
		.object = TRACE_NONE,
		.old_object = TRACE_NONE,
		.thread = h->thread,
		.site = TRACE_NO_SITE,
	};
	int error = write_start(r, h->thread);

	if (!error)
		error = resolve(r, h, &row);
	if (error)
		return error;
	if (flags & TRACE_REPAIRED)
		find(&r->counts.repaired, &h->call, h->call.addr);
	if (row.kind == TRACE_THREAD_EXIT) {
		struct trace_thread exited = {thread->tid, "", thread->start_ns, r->now_ns};

		error = trace_writer_thread_update(r->writer, h->thread, &exited);
		if (error)
			return error;
	} else if (!h->begins && !h->ends) {
		row.flags |= TRACE_FAILED;
	}
	return trace_writer_event(r->writer, &row);
}

/* ---- repairing ---- */

static int emit(struct resolver *r, uint64_t at, uint8_t flags);

/* Writes what a thread has held back up to and including the call at end. */
static int bring_forward(struct resolver *r, uint32_t thread, uint64_t end)
{
	for (uint64_t at = r->head; at <= end; at++) {
		int error;

		if (held(r, at)->done || held(r, at)->thread != thread)
			continue;
		error = emit(r, at, TRACE_REPAIRED);
		if (error)
			return error;
	}
	return 0;
}

/*
 * The held call of a free thread that should come before one that finds addr taken (its end) or
 * free (its beginning); r->tail when there is none. Lives at the address are counted along the
 * log: only when they do not add up otherwise is a call out of place. excess is what is too many
 * (1) or too few (-1) before the calls held back.
 */
static uint64_t find_misplaced(struct resolver *r, uint64_t addr, int excess)
{
	uint64_t found = r->tail;
	int lives = excess > 0 ? 2 : -1, proof = excess > 0 ? 0 : 1;
	unsigned touches = 0;

	for (uint64_t at = r->head; at < r->tail; at++) {
		const struct held_call *h = held(r, at);
		bool ends = h->ends == addr, begins = h->begins == addr;

		if (h->done || ends == begins)
			continue;
		touches++;
		lives += begins ? 1 : -1;
		if (found == r->tail && !r->threads[h->thread].busy && (excess > 0 ? ends : begins))
			found = at;
		if (lives == proof)
			return found;
	}
	return excess > 0 && touches == 1 ? found : r->tail;
}

static int mend(struct resolver *r, uint64_t addr, int excess)
{
	uint64_t at = find_misplaced(r, addr, excess);

	return at < r->tail ? bring_forward(r, held(r, at)->thread, at) : 0;
}

/* A call that is brought forward takes along what was logged before it about its addresses. */
static int emit_earlier(struct resolver *r, uint64_t end)
{
	const struct held_call *call = held(r, end);

	for (uint64_t at = r->head; at < end; at++) {
		const struct held_call *h = held(r, at);
		bool touches =
			(h->needs && (h->needs == call->needs || h->needs == call->begins)) ||
			(h->begins && (h->begins == call->needs || h->begins == call->begins));
		int error;

		if (h->done || !touches || r->threads[h->thread].busy)
			continue;
		error = bring_forward(r, h->thread, at);
		if (error)
			return error;
	}
	return 0;
}

/* Writes one held call, and before it what has to come first. Recurses once a thread at most. */
static int emit(struct resolver *r, uint64_t at, uint8_t flags)
{
	struct held_call *h = held(r, at);
	int error = 0;

	h->done = true;
	r->threads[h->thread].busy = true;
	if (flags & TRACE_REPAIRED)
		error = emit_earlier(r, at);
	if (!error && h->needs && idmap_get(&r->objects, h->needs) == IDMAP_NONE)
		error = mend(r, h->needs, -1);
	if (!error && h->begins && h->begins != h->ends &&
	    idmap_get(&r->objects, h->begins) != IDMAP_NONE)
		error = mend(r, h->begins, 1);
	if (!error)
		error = write_call(r, h, flags);
	r->threads[h->thread].busy = false;
	return error;
}

/* ---- reading ---- */

static int emit_head(struct resolver *r)
{
	const struct held_call *h = held(r, r->head);
	int error = 0;

	if (h->call.time_ns > r->first_ns && h->call.time_ns - r->first_ns > r->now_ns)
		r->now_ns = h->call.time_ns - r->first_ns;
	if (!h->done)
		error = emit(r, r->head, 0);
	r->head++;
	return error;
}

/* The number of a thread, which is defined at its first call. */
static int64_t number_of(struct resolver *r, const struct logged_call *call)
{
	uint64_t number = idmap_get(&r->numbers, call->tid + 1);
	struct trace_thread born = {.tid = call->tid, .name = "", .exit_ns = TRACE_NONE};
	struct resolver_thread *threads;
	int64_t defined;

	if (number != IDMAP_NONE)
		return (int64_t)number;
	if (call->time_ns > r->first_ns)
		born.start_ns = call->time_ns - r->first_ns;
	defined = trace_writer_thread(r->writer, &born);
	if (defined < 0)
		return defined;
	threads = reallocarray(r->threads, (size_t)defined + 1, sizeof(*threads));
	if (!threads)
		return -ENOMEM;
	r->threads = threads;
	threads[defined] = (struct resolver_thread){.tid = born.tid, .start_ns = born.start_ns};
	r->n_threads = (size_t)defined + 1;
	return idmap_set(&r->numbers, call->tid + 1, (uint64_t)defined) ? -ENOMEM : defined;
}

static struct held_call hold(const struct logged_call *call, uint32_t thread)
{
	struct held_call h = {.call = *call, .thread = thread};

	switch (trace_class(call->kind)) {
	case TRACE_CLASS_ALLOC:
		h.begins = call->addr;
		break;
	case TRACE_CLASS_FREE:
		h.needs = h.ends = call->addr;
		break;
	case TRACE_CLASS_REALLOC:
		h.needs = call->old_addr;
		h.begins = call->addr;
		if (call->addr || !call->size)
			h.ends = call->old_addr; /* else it failed */
		break;
	case TRACE_CLASS_MARK:
		break;
	}
	return h;
}

int resolver_call(struct resolver *r, const struct logged_call *call)
{
	int64_t thread;
	int error;

	r->counts.calls += call->kind < TRACE_MARKS;
	if (trace_class(call->kind) == TRACE_CLASS_FREE && !call->addr) {
		r->counts.null_frees++;
		return 0;
	}
	if (!r->first_ns)
		r->first_ns = call->time_ns;
	r->counts.timed |= call->time_ns != 0;
	if (r->tail - r->head == RESOLVER_WINDOW) {
		error = emit_head(r);
		if (error)
			return error;
	}
	thread = number_of(r, call);
	if (thread < 0)
		return (int)thread;
	*held(r, r->tail++) = hold(call, (uint32_t)thread);
	if (call->kind == TRACE_THREAD_EXIT)
		idmap_remove(&r->numbers, call->tid + 1); /* the next with this tid is another */
	return 0;
}

int resolver_finish(struct resolver *r, struct trace_totals *totals)
{
	while (r->head < r->tail) {
		int error = emit_head(r);

		if (error)
			return error;
	}
	*totals = (struct trace_totals){
		.lost_events = r->counts.lost.calls,
		.repaired_events = r->counts.repaired.calls,
		.duration_ns = r->now_ns,
	};
	return 0;
}
