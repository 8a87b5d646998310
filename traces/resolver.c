#include "resolver.h"

#include "idmap.h"
#include "sitekey.h"

#include <errno.h>
#include <stdlib.h>

#define RING      (2 * RESOLVER_WINDOW) /* calls that wait, and calls that are looked at ahead */
#define N_TOUCHED 4096

/* A call of the log, and the addresses whose turn it depends on; 0: none. */
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
	bool stuck; /* a call of it waits */
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
	/* the log: written is what lies before head; before at some calls wait; ahead up to tail */
	uint64_t head, at, tail;
	uint32_t touched[N_TOUCHED]; /* by hash of an address: how many waiting calls touch it */
	struct held_call held[RING];
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
	return &r->held[at % RING];
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
		.site = h->call.site,
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

static uint32_t *touched(struct resolver *r, uint64_t addr)
{
	return &r->touched[site_mix(addr) % N_TOUCHED];
}

static bool touches(const struct held_call *h, uint64_t addr)
{
	return h->needs == addr || h->begins == addr;
}

static bool is_taken(const struct resolver *r, uint64_t addr)
{
	return idmap_get(&r->objects, addr) != IDMAP_NONE;
}

/* Whether the addresses are in the state that the call needs. */
static bool is_legal(const struct resolver *r, const struct held_call *h)
{
	if (h->needs && !is_taken(r, h->needs))
		return false;
	return !h->begins || h->begins == h->ends || !is_taken(r, h->begins);
}

/*
 * Whether a waiting call that was logged before goes first: it does when the address is in the
 * state that it needs, so that only its thread keeps it waiting.
 */
static bool is_behind(struct resolver *r, uint64_t at, uint64_t addr)
{
	if (!addr || !*touched(r, addr))
		return false;
	for (uint64_t i = r->head; i < at; i++) {
		const struct held_call *h = held(r, i);

		if (!h->done && touches(h, addr))
			return is_taken(r, addr) == (h->needs == addr);
	}
	return false;
}

/*
 * Whether calls to come will bring the address into the state that a call needs. Lives at the
 * address are counted along the log: when it adds up without waiting, nothing is to come.
 */
static bool is_to_come(struct resolver *r, uint64_t at, uint64_t addr)
{
	const struct held_call *waiting = held(r, at);
	bool wants_end = waiting->begins == addr, other = false;
	int lives = is_taken(r, addr);
	unsigned later = 0;

	for (uint64_t i = r->head; i < r->tail; i++) {
		const struct held_call *h = held(r, i);
		bool ends = h->ends == addr, begins = h->begins == addr;

		if (h->done || ends == begins)
			continue;
		lives += begins ? 1 : -1;
		if (i <= at)
			continue;
		later++;
		if (ends == wants_end && h->thread != waiting->thread)
			other = true;
		if (other && lives == (wants_end ? 0 : 1))
			return true;
	}
	return wants_end && other && later == 1;
}

static int emit(struct resolver *r, uint64_t at, uint8_t flags)
{
	struct held_call *h = held(r, at);

	h->done = true;
	if (h->call.time_ns > r->first_ns && h->call.time_ns - r->first_ns > r->now_ns)
		r->now_ns = h->call.time_ns - r->first_ns;
	return write_call(r, h, flags);
}

static void wait_here(struct resolver *r, const struct held_call *h)
{
	r->threads[h->thread].stuck = true;
	++*touched(r, h->needs);
	++*touched(r, h->begins);
}

static int emit_waiting(struct resolver *r, uint64_t at)
{
	const struct held_call *h = held(r, at);

	--*touched(r, h->needs);
	--*touched(r, h->begins);
	return emit(r, at, TRACE_REPAIRED);
}

/* Writes the waiting calls whose turn has come, each thread's in order. */
static int sweep(struct resolver *r)
{
	bool again;

	do {
		again = false;
		for (uint64_t i = r->head; i < r->at; i++) {
			const struct held_call *h = held(r, i);

			if (!h->done)
				r->threads[h->thread].stuck = false;
		}
		for (uint64_t i = r->head; i < r->at; i++) {
			const struct held_call *h = held(r, i);
			bool *stuck = &r->threads[h->thread].stuck;
			int error;

			if (h->done || *stuck)
				continue;
			*stuck = !is_legal(r, h) || is_behind(r, i, h->needs) ||
				 is_behind(r, i, h->begins);
			if (*stuck)
				continue;
			error = emit_waiting(r, i);
			if (error)
				return error;
			again = true;
		}
	} while (again);
	while (r->head < r->at && held(r, r->head)->done)
		r->head++;
	return 0;
}

/* Takes the next call of the log: it is written, or waits. */
static int step(struct resolver *r)
{
	uint64_t at = r->at++;
	const struct held_call *h = held(r, at);
	bool wakes = (h->ends && *touched(r, h->ends)) || (h->begins && *touched(r, h->begins));
	bool waits = r->threads[h->thread].stuck || is_behind(r, at, h->needs) ||
		     is_behind(r, at, h->begins);
	int error;

	if (!waits && h->needs && !is_taken(r, h->needs))
		waits = is_to_come(r, at, h->needs);
	if (!waits && h->begins && h->begins != h->ends && is_taken(r, h->begins))
		waits = is_to_come(r, at, h->begins);
	if (waits) {
		wait_here(r, h);
		return 0;
	}
	error = emit(r, at, 0);
	if (error)
		return error;
	if (r->head == at)
		r->head++;
	return wakes ? sweep(r) : 0;
}

/* Writes the oldest waiting call, whatever is wrong with it. */
static int give_up(struct resolver *r)
{
	int error = emit_waiting(r, r->head);

	return error ? error : sweep(r);
}

/* ---- reading ---- */

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
	while (r->tail - r->at >= RESOLVER_WINDOW || r->tail - r->head == RING) {
		error = r->tail - r->head == RING ? give_up(r) : step(r);
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
		int error = r->at < r->tail ? step(r) : give_up(r);

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
