#include "drain.h"

#include "doze.h"

#include <errno.h>

#define NAP_NS    5000000   /* from tick to tick; lanes keep their own time in between */
#define HASTE_NS  1000000   /* ... while something waits for its records to be taken */
#define WATCH_NS  200000000 /* ... while the idler does it all, */
#define STARVE_NS 10000000  /* ... in which it must not be without a processor for so long */
#define CALL_NS   30000     /* until the idler's call, when it has given the mutex back */
#define SLEEP_NS  100000000
#define LATEST_NS 20000000 /* until the records that wait are taken, however few */
#define CHECK_NS  20000000
#define DAY_NS    (24 * UINT64_C(3600000000000))
#define IDLE_NS   20000000 /* without a new record, before sleeping until called */
#define BATCHES   64       /* of records that the short chunks have room for */

/* How long, and of how many batches, records may be left to the idler. */
#define PATIENCE_NS      60000000
#define PATIENCE_BATCHES 8
#define SKIM_NS          100000 /* that it works at a time; */
/* ... until it looks again when nothing is left, or was so little that it is not worth the look. */
#define SKIM_NEXT_NS 1000000
#define SKIM_FEW_NS  4000000
#define SKIM_LEAST   1024 /* records */
#define SKIM_LANES   64   /* that it looks at each time */

static void raise_tick(struct drain *d)
{
	struct session *s = d->family->session;
	uint64_t now = session_now(s);
	uint64_t tick = atomic_load(&s->tick);

	while (tick < now && !atomic_compare_exchange_weak(&s->tick, &tick, now))
		;
	d->tick = now;
}

/* Nothing more can be written to one trace: recording ends, and every trace says why. */
static void stop(struct drain *d, const struct process *p)
{
	const char *why = trace_writer_full(p->ledger.writer) ? "max-size"
			  : p->ledger.error == -ENOSPC        ? "disk full"
							      : "failure";

	family_stop(d->family, why);
}

/* Shows everyone the tick, and sees what there is to do. */
static void look(struct drain *d)
{
	const struct family *f = d->family;
	uint64_t published = 0;

	d->waiting = 0;
	d->lanes = 0;
	d->wanted = f->n_strangers || atomic_load(&f->session->starving);
	for (size_t i = 0; i < f->count; i++) {
		struct process *p = f->processes[i];

		if (p->begun)
			process_look(p);
		published += p->published;
		d->waiting += p->waiting;
		d->lanes += p->merge.count;
		d->wanted |= process_wants(p);
	}
	if (published != d->published)
		d->changed = d->tick;
	d->published = published;
}

static uint64_t batch(const struct drain *d)
{
	return (uint64_t)d->family->session->chunks_wanted * CHUNK_RECORDS / BATCHES;
}

/*
 * Whether more waits than should. Taken in large batches it costs less: hakrec then finds its
 * tables in the caches, where the program's data was, mostly because the records before have put
 * them there.
 */
static bool behind(const struct drain *d)
{
	uint64_t age = d->tick - d->drained;

	if (d->idler.wanted)
		return d->waiting >= PATIENCE_BATCHES * batch(d) || age >= PATIENCE_NS;
	return d->waiting >= batch(d) || age >= LATEST_NS;
}

/* Takes what was published before a tick. */
static void take(struct drain *d, uint64_t tick)
{
	const struct family *f = d->family;

	d->drained = d->tick;
	d->hard = false;
	for (size_t i = 0; i < f->count; i++) {
		struct process *p = f->processes[i];

		if (!p->begun)
			continue;
		process_drain(p, rank_last(tick));
		d->taken += p->merge.dealt;
		session_feed(f->session);
		if (p->ledger.error)
			stop(d, p);
	}
}

/* Nothing is published any more. */
static bool idle(const struct drain *d)
{
	return d->tick - d->changed >= IDLE_NS;
}

static bool check_due(const struct drain *d)
{
	return d->tick - d->checked > CHECK_NS;
}

/* The idler's work: all that, when there is time. Returns for how many ns it is done. */
static uint64_t skim(void *context)
{
	struct drain *d = context;
	const struct family *f = d->family;
	uint64_t tick = d->tick, end, taken = 0;
	bool late, calls;

	raise_tick(d);
	end = d->tick + SKIM_NS;
	/* All are shown the tick before any is dealt with up to it, by whichever thread. */
	look(d);
	for (size_t i = 0; i < f->count && session_now(f->session) < end; i++) {
		struct process *p = f->processes[++d->turn % f->count];

		if (!p->begun)
			continue;
		d->hard |= !process_skim(p, rank_last(tick), end);
		taken += p->merge.dealt;
		session_feed(f->session);
		if (p->ledger.error)
			stop(d, p);
	}
	late = session_now(f->session) >= end;
	if (late)
		d->changed = d->tick;
	if (check_due(d) && !family_wants(f, d->tick))
		d->checked = d->tick;
	calls = d->hard || d->wanted || behind(d) || idle(d) || check_due(d);
	if (!calls && !late)
		d->drained = d->skimmed = d->tick;
	deadman_set(&d->deadman, calls ? CALL_NS : STARVE_NS);
	if (late && !d->hard)
		return 0;
	return d->hard || taken < SKIM_LEAST ? SKIM_FEW_NS : SKIM_NEXT_NS;
}

static void run_round(struct drain *d)
{
	uint64_t tick = d->tick;

	raise_tick(d);
	d->taken = 0;
	if (d->tick > CLOCK_DAYS * DAY_NS)
		family_stop(d->family, "104 days");
	family_meet(d->family);
	look(d);
	if (behind(d) || d->wanted || d->hard || idle(d))
		take(d, tick);
}

/* Makes the next record of every lane ring. False: something was published meanwhile. */
static bool set_alarms(struct drain *d)
{
	const struct family *f = d->family;

	for (size_t i = 0; i < f->count; i++) {
		struct merge *m = &f->processes[i]->merge;

		for (size_t j = 0; j < m->count; j++)
			session_poke(m->lanes[j]->lane);
	}
	for (size_t i = 0; i < f->count; i++) {
		struct merge *m = &f->processes[i]->merge;

		for (size_t j = 0; j < m->count; j++)
			if (atomic_load(&m->lanes[j]->lane->written) / sizeof(struct record) !=
			    m->lanes[j]->at)
				return false;
	}
	return true;
}

/* Whether the idler did it all last, and calls when there is something that it cannot do. */
static bool idler_does(const struct drain *d)
{
	return d->skimmed && d->tick - d->skimmed <= NAP_NS && deadman_watches(&d->deadman) &&
	       !atomic_load(&d->family->first_ended);
}

/* Until called, as nothing happens. bell: as it was before looking at what there is to do. */
static void sleep_on(struct drain *d, uint32_t bell)
{
	struct session *s = d->family->session;

	/* Sequentially consistent: pairs with track_refill(). */
	atomic_store(&s->asleep, 1);
	doze(&s->bell, bell, set_alarms(d) ? SLEEP_NS : NAP_NS);
	atomic_store(&s->asleep, 0);
}

/* Until the next round is due. */
static void rest(struct drain *d, uint32_t bell)
{
	uint64_t ns = d->wanted ? HASTE_NS : NAP_NS;
	bool watch = !d->wanted && idler_does(d);

	if (idle(d)) {
		sleep_on(d, bell);
		return;
	}
	/* It may have been used to call for this round. */
	if (watch)
		deadman_set(&d->deadman, STARVE_NS);
	idler_resume(&d->idler, d->lanes && d->lanes <= SKIM_LANES);
	doze(&d->family->session->bell, bell, watch && d->idler.wanted ? WATCH_NS : ns);
	idler_pause(&d->idler);
}

/* Keeps the live line up to date. */
static void show(struct drain *d)
{
	const struct family *f = d->family;
	struct ticker *ticker = &f->recording->ticker;
	struct ticker_figures figures;

	if (!ticker_due(ticker, d->tick))
		return;
	figures = recording_figures(f->recording);
	for (size_t i = 0; i < f->count; i++)
		if (f->processes[i]->begun)
			ticker_add(&figures, &f->processes[i]->ledger, f->processes[i]->crew.count);
	ticker_show(ticker, &figures, d->tick);
}

void drain_run(struct drain *d)
{
	struct family *f = d->family;

	d->changed = session_now(f->session);
	deadman_start(&d->deadman, f->session);
	idler_start(&d->idler, skim, d);
	while (!family_over(f) && !atomic_load(&f->session->closed)) {
		uint32_t bell = atomic_load(&f->session->bell);

		run_round(d);
		if (check_due(d) || atomic_load(&f->first_ended)) {
			d->checked = d->tick;
			family_look_after(f, d->tick);
		}
		if (family_over(f))
			break;
		show(d);
		/* As much has come meanwhile: resting would only let more pages fill. */
		if (d->taken > PATIENCE_BATCHES * batch(d))
			continue;
		rest(d, bell);
	}
	idler_stop(&d->idler);
	deadman_stop(&d->deadman);
	family_close(f);
}
