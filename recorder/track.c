#include "track.h"

#include "doze.h"
#include "member.h"

#include <errno.h>

#define TICK_STALE_NS 50000
#define PACE_NS       500000   /* from one look at the clock to the next, about */
#define STARVE_NS     50000000 /* until looking whether hakrec still lives */

struct member member;

/* Keeps the tick fresh: hakrec does so only now and then, or gets no processor. */
static void raise_tick(struct session *s, uint64_t now)
{
	uint64_t tick = atomic_load_explicit(&s->tick, memory_order_relaxed);

	while (now > tick + TICK_STALE_NS)
		if (atomic_compare_exchange_weak_explicit(
			    &s->tick, &tick, now, memory_order_relaxed, memory_order_relaxed))
			break;
}

/* So many records as will take about PACE_NS, going by those since the last look. At most twice as
 * many as before, and not for looks close together, as one record takes when the lane jumps: calls
 * come in bursts, and of the next one the first shall see its time. */
static void pace(struct track *t, uint64_t now)
{
	uint64_t count = session_published(t->lane);
	uint64_t ns = now - t->looked_ns, most = t->step * 2 + 1;
	uint64_t step;

	if (ns < PACE_NS / 64)
		return;
	step = (count - t->looked) * PACE_NS / ns + 1;
	t->step = step < most ? step : most;
	t->looked = count;
	t->looked_ns = now;
}

/* Bytes written when the slow path is to be taken again. */
static uint64_t limit_of(const struct track *t)
{
	uint64_t written = atomic_load_explicit(&t->lane->written, memory_order_relaxed);
	uint64_t limit = written + t->step * sizeof(struct record);

	return t->slow ? 0 : limit < t->lane->end ? limit : t->lane->end;
}

/* So much of the lane waits for hakrec that no more is to. Records with times of their own have to
 * wait until hakrec's clock has come to them as well. */
static bool far_ahead(const struct session *s, const struct session_lane *lane)
{
	return !(s->mode & (SESSION_LOSSY | SESSION_EXACT | SESSION_KEPT)) &&
	       lane->end >= atomic_load(&lane->taken) + TRACK_AHEAD;
}

/* Of either kind where there is none of the other. */
static uint32_t take_chunk(struct session *s, const struct session_lane *lane, bool want_long,
			   bool urgent)
{
	uint32_t chunk;

	if (far_ahead(s, lane))
		return SESSION_NONE;
	chunk = want_long ? session_take_long(s) : session_take_chunk(s, urgent);
	if (chunk == SESSION_NONE)
		chunk = want_long ? session_take_chunk(s, urgent) : session_take_long(s);
	return chunk;
}

static uint32_t wait_for_chunk(struct session *s, const struct session_lane *lane, bool want_long,
			       bool urgent)
{
	while (!session_over(s)) {
		uint32_t freed = atomic_load(&s->freed), chunk;

		/* Said anew each time: whoever is killed here says it no more. */
		atomic_store(&s->starving, 1);
		chunk = take_chunk(s, lane, want_long, urgent);
		if (chunk != SESSION_NONE)
			return chunk;
		session_ring(s);
		doze(&s->freed, freed, STARVE_NS);
	}
	return SESSION_NONE;
}

static uint32_t obtain_chunk(struct session *s, const struct session_lane *lane, bool patient)
{
	bool first = atomic_load(&lane->first) == SESSION_NONE;
	/* A lane keeps its last chunk: those that write little shall not keep the long ones. */
	bool want_long = lane->end >= LONG_BYTES;
	bool lossy = s->mode & SESSION_LOSSY;
	/* A lossy session shall not wait, so what it must not drop is urgent too. */
	bool urgent = first || (patient && lossy);
	uint32_t chunk = take_chunk(s, lane, want_long, urgent);

	if (chunk == SESSION_NONE && (patient || !lossy))
		chunk = wait_for_chunk(s, lane, want_long, urgent);
	return chunk;
}

static bool extend(struct session *s, struct track *t)
{
	struct session_lane *lane = t->lane;
	uint64_t next = lane->end / sizeof(struct record);
	uint32_t chunk = obtain_chunk(s, lane, t->patient);

	if (chunk == SESSION_NONE)
		return false;
	atomic_store_explicit(session_link(s, chunk), SESSION_NONE, memory_order_relaxed);
	if (atomic_load(&lane->first) == SESSION_NONE)
		atomic_store_explicit(&lane->first, chunk, memory_order_release);
	else
		atomic_store_explicit(session_link(s, lane->chunk), chunk, memory_order_release);
	lane->chunk = chunk;
	t->chunk = session_chunk_base(s, chunk, next);
	lane->end = session_chunk_end(s, chunk, next) * sizeof(struct record);
	return true;
}

void track_look(struct track *t)
{
	uint64_t now = session_now(member.session);

	raise_tick(member.session, now);
	pace(t, now);
}

bool track_refill(struct track *t)
{
	struct session *s = member.session;
	struct session_lane *lane = t->lane;
	bool full = atomic_load(&lane->written) >= lane->end;
	int saved = errno;

	if (t->shut || member.off || session_over(s)) {
		/* Not in a child forked meanwhile, where it is over for this call (leftover.c). */
		if (session_over(member.session))
			member.off = true;
		return false;
	}
	if (full && !extend(s, t)) {
		errno = saved;
		return false;
	}
	/* Sequentially consistent: hakrec raises the tick or falls asleep and then lowers the
	 * limit; if that was lost here, what came before it is seen below, and by clock_next(). */
	atomic_store(&lane->limit, limit_of(t));
	if (atomic_load(&s->asleep))
		session_ring(s);
	errno = saved;
	return true;
}

bool track_clear(const struct track *t)
{
	const struct session *s = member.session;

	return atomic_load_explicit(&t->lane->written, memory_order_relaxed) < t->lane->end &&
	       !atomic_load_explicit(&s->closed, memory_order_relaxed) &&
	       !atomic_load_explicit(&s->asleep, memory_order_relaxed);
}

bool track_open(struct track *t)
{
	struct session *s = member.session;
	uint32_t number = session_take_spare(s, member.process);
	struct session_lane *lane;

	if (number != SESSION_NONE) {
		lane = session_lane(s, number);
		atomic_store(&lane->alone, 0);
		t->lane = lane;
		t->chunk = lane->chunk == SESSION_NONE
				   ? NULL
				   : session_chunk_base(s, lane->chunk,
							lane->end / sizeof(struct record) - 1);
		return true;
	}
	number = session_take_lane(s);
	if (number == SESSION_NONE)
		return false;
	lane = session_lane(s, number);
	atomic_store(&lane->written, 0);
	session_poke(lane);
	atomic_store(&lane->first, SESSION_NONE);
	atomic_store(&lane->dropped, 0);
	atomic_store(&lane->taken, 0);
	atomic_store(&lane->rank, number);
	lane->end = 0;
	lane->chunk = SESSION_NONE;
	lane->process = member.number;
	lane->older = atomic_load(&member.process->lanes);
	while (!atomic_compare_exchange_weak(&member.process->lanes, &lane->older, number))
		;
	t->lane = lane;
	t->chunk = NULL;
	return true;
}

void track_close(struct track *t)
{
	session_give_spare(member.session, member.process,
			   session_lane_number(member.session, t->lane));
	t->lane = NULL;
}

void track_cut(struct track *t, bool room)
{
	static struct session_lane nowhere = {.limit = INT64_MAX,
					      .end = INT64_MAX}; /* never full */
	static struct session_lane shut;                         /* always */
	static struct record chunk[LONG_RECORDS];
	const struct session *s = member.session;

	/* Where the session was before (leftover.c): one who is at the lane finds room there. */
	if (room && t->lane && (uintptr_t)t->lane - (uintptr_t)s >= s->bytes)
		*t->lane = nowhere;
	t->lane = room ? &nowhere : &shut;
	t->chunk = chunk;
	t->shut = !room;
}
