#include "process.h"

#include "traces/encoder.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONE_NS      20000000 /* that a lane alone has written before it is told */
#define SKIM_RECORDS 1024     /* from one look at the clock to the next */
#define SETTLE_NS    5000000  /* from one look for ended threads to the next */
#define GRAIN_NS     10000    /* of coarse times, which are good to some 100 us at best */

/* ---- records ---- */

/* The call that the last records prepared was dropped or left: everything stays as it was. */
static void forget_call(struct process *p, struct inlet *in)
{
	in->wide = in->paged = false;
	if (in->resizing)
		ledger_keep(&p->ledger, &(struct ledger_old){in->old_addr, in->old_object,
							     in->old_size, in->old_align});
	in->resizing = false;
	in->old_pages = TRACE_NONE;
}

/* The lane is a thread's from now on. The first thread's rows begin with what the process
 * inherited. */
static void take_lane(struct process *p, struct inlet *in, uint32_t thread, uint64_t tid)
{
	struct ledger *l = &p->ledger;
	int begun = crew_begin(&p->crew, l, p->pid, thread, tid, inlet_clock(in));
	int error = begun < 0 ? begun : 0;

	forget_call(p, in); /* of the thread before */
	in->thread = error ? SESSION_NONE : thread;
	in->number = error ? 0 : p->crew.all[thread].number;
	if (begun > 0 && p->inherited.numbers) {
		error = ledger_inherit(l, &p->inherited, p->crew.all[thread].number);
		objects_fini(&p->inherited);
	}
	if (begun > 0)
		ledger_mark(l, TRACE_THREAD_START, inlet_clock(in), p->crew.all[thread].number, 0);
	if (error && !l->error)
		l->error = error;
}

static void take_lost(struct process *p, const struct inlet *in, uint64_t calls)
{
	p->ledger.counts.lost += calls;
	ledger_mark(&p->ledger, TRACE_LOST, inlet_clock(in), in->number, calls);
}

/* Calls dropped behind the last record of their lane. */
static void settle_lost(struct process *p)
{
	for (size_t i = 0; i < p->merge.count; i++) {
		const struct inlet *in = p->merge.lanes[i];
		uint64_t dropped = atomic_load(&in->lane->dropped);

		if (dropped > in->told_lost && in->thread < p->crew.count)
			take_lost(p, in, dropped - in->told_lost);
	}
}

/* Calls of threads that had no lane, in a row of the trace's first thread when there is one. */
static void take_unheard(struct process *p)
{
	uint64_t calls = atomic_load(&p->shared->unheard) - p->unheard;
	struct ledger *l = &p->ledger;

	if (!calls)
		return;
	p->unheard += calls;
	l->counts.lost += calls;
	if (p->crew.count)
		ledger_mark(l, TRACE_LOST, l->start_clock + l->last_ns, 0, calls);
}

/* The records that are not about a block. */
__attribute__((noinline, cold)) static void deal_aside(struct process *p, struct inlet *in,
						       unsigned kind)
{
	struct ledger *l = &p->ledger;
	const struct record *r = in->head;

	if (kind == RECORD_THREAD) {
		take_lane(p, in, (uint32_t)record_addr(r), r->word[1]);
	} else if (kind == RECORD_EXIT) {
		crew_exit(&p->crew, l, p->pid, in->thread, inlet_clock(in),
			  atomic_load(&p->shared->late), p->round + 1);
	} else if (kind == RECORD_FORK && record_addr(r) < p->session->processes) {
		struct legacy *legacy =
			legacy_create((uint32_t)record_addr(r), &p->ledger.objects, &p->account);

		if (legacy) {
			legacy->next = *p->forks;
			*p->forks = legacy;
		}
	} else if (kind == RECORD_LOST && in->thread < p->crew.count) {
		forget_call(p, in);
		in->told_lost += r->word[1];
		take_lost(p, in, r->word[1]);
	}
}

static enum ledger_verdict deal_resized(struct process *p, struct inlet *in,
					struct trace_event *row, bool force)
{
	struct ledger_old old = {0};
	enum ledger_verdict verdict;

	if (in->resizing)
		old = (struct ledger_old){in->old_addr, in->old_object, in->old_size,
					  in->old_align};
	verdict = ledger_resized(&p->ledger, row, inlet_clock(in), &old, force);
	if (verdict == LEDGER_TAKEN) {
		in->resizing = false;
		in->old_pages = TRACE_NONE;
	}
	return verdict;
}

/* What a record does, by its kind; those beyond the calls are dealt with aside. */
enum deed { DEED_ASIDE, DEED_BIRTH, DEED_DEATH, DEED_RESIZED, DEED_OLD };

static uint8_t deeds[256];

__attribute__((constructor)) static void learn_deeds(void)
{
	for (unsigned kind = 0; kind < TRACE_MARKS; kind++)
		if (trace_kind_name(kind))
			deeds[kind] = trace_class(kind) == TRACE_CLASS_ALLOC  ? DEED_BIRTH
				      : trace_class(kind) == TRACE_CLASS_FREE ? DEED_DEATH
									      : DEED_RESIZED;
	deeds[RECORD_OLD] = DEED_OLD;
}

static enum ledger_verdict deal_old(struct process *p, struct inlet *in, bool force)
{
	struct ledger_old old;
	enum ledger_verdict verdict = ledger_resize(&p->ledger, record_addr(in->head), &old, force);

	if (verdict == LEDGER_TAKEN) {
		in->resizing = true;
		in->old_addr = old.addr;
		in->old_object = old.number;
		in->old_size = old.size;
		in->old_align = old.align;
		in->old_pages = p->ledger.pages && old.size >= TRACE_LARGE_BYTES
					? p->ledger.pages->died
					: TRACE_NONE;
	}
	return verdict;
}

/* What is known of the resident pages of the head's blocks. */
static struct trace_pages pages_of(const struct inlet *in, enum deed deed, bool failed)
{
	bool told = in->paged && in->pages_addr == record_addr(in->head);
	uint64_t pages = told ? in->pages : TRACE_NONE;
	bool dies = deed == DEED_DEATH || deed == DEED_OLD;

	/* The old block of a realloc that failed lives on. */
	if (failed)
		return (struct trace_pages){TRACE_NONE, TRACE_NONE};
	return (struct trace_pages){dies ? TRACE_NONE : pages, dies ? pages : in->old_pages};
}

/* Deals with the head. False: it has to wait. */
static inline bool deal_head(struct process *p, struct inlet *in, bool force)
{
	const struct record *r = in->head;
	unsigned kind = record_kind(r);
	enum deed deed = deeds[kind];
	enum ledger_verdict verdict;
	struct trace_event row;
	struct trace_pages pages;

	if (__builtin_expect(deed == DEED_ASIDE, 0)) {
		/* A child has the blocks whose births wait with others, or behind them. */
		if (kind == RECORD_FORK && p->merge.waits && !force)
			return false;
		in->waited = false;
		deal_aside(p, in, kind);
		return true;
	}
	if (__builtin_expect(in->thread == SESSION_NONE, 0))
		return true;
	row.addr = record_addr(r);
	row.size = __builtin_expect(in->wide, 0) ? in->wide_size : record_size(r);
	row.align = __builtin_expect(in->wide, 0) ? in->wide_align : record_align(r);
	row.thread = in->number;
	row.site = account_site(&p->account, &p->ledger, record_site(r));
	row.kind = (uint8_t)kind;
	row.flags = record_failed(r, row.size) ? TRACE_FAILED : 0;
	if (__builtin_expect(in->paged | (in->old_pages != TRACE_NONE), 0)) {
		pages = pages_of(in, deed, row.flags);
		p->ledger.pages = &pages;
	}
	verdict = deed == DEED_BIRTH   ? ledger_birth(&p->ledger, &row, inlet_clock(in), force)
		  : deed == DEED_DEATH ? ledger_death(&p->ledger, &row, inlet_clock(in), force)
		  : deed == DEED_OLD   ? deal_old(p, in, force)
				       : deal_resized(p, in, &row, force);
	p->ledger.pages = NULL;
	if (__builtin_expect(verdict == LEDGER_UNFIT, 0))
		return false;
	if (__builtin_expect(in->waited | in->wide | in->paged, 0)) {
		p->ledger.counts.late += in->waited;
		in->waited = in->wide = in->paged = false;
	}
	return true;
}

/* Deals with the plain records from the head on that have its rank, at most so many. */
static uint64_t deal_streak(struct process *p, struct inlet *in, uint64_t most)
{
	uint64_t seen = (in->end < in->until ? in->end : in->until) - in->at;
	struct streak streak = {
		.records = in->head,
		.seen = seen,
		.clock = inlet_clock(in),
		.thread = in->number,
	};

	if (in->thread == SESSION_NONE || in->waited || in->wide || in->paged || in->resizing ||
	    in->old_pages != TRACE_NONE)
		return 0;
	streak.count = most < seen ? most : seen;
	return streak_take(&streak, &p->ledger, &p->account.sites);
}

/* Whether skimming has come to its end. */
static bool skimmed(struct process *p, const struct inlet *in)
{
	if (!p->skim_until)
		return false;
	p->hard = deeds[record_kind(in->head)] == DEED_ASIDE;
	if (p->hard || p->merge.dealt < p->skim_look)
		return p->hard;
	p->skim_look = p->merge.dealt + SKIM_RECORDS;
	if (session_now(p->session) >= p->skim_until)
		return true;
	/* A thread that fell asleep on this processor stays on its queue until the kernel chooses
	 * anew (since Linux 6.12), and so long it does not count as free. */
	sched_yield();
	return session_now(p->session) >= p->skim_until;
}

static enum merge_stop deal(void *context, struct inlet *in, uint64_t rank, uint64_t most,
			    bool force)
{
	struct process *p = context;

	while (most && in->rank <= rank) {
		uint64_t dealt;

		p->merge.stopped = skimmed(p, in);
		if (p->merge.stopped)
			break;
		dealt = force ? 0 : deal_streak(p, in, most);
		if (!dealt) {
			if (!deal_head(p, in, force))
				return MERGE_WAIT;
			dealt = 1;
		}
		p->merge.dealt += dealt;
		most -= dealt;
		inlet_advance(in, dealt);
		if (!inlet_ready(in))
			return MERGE_EMPTY;
	}
	return MERGE_ENOUGH;
}

/* ---- the process ---- */

struct process *process_create(struct session *s, uint32_t number, struct legacy *legacy)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->session = s;
	p->shared = session_process(s, number);
	p->number = number;
	p->pid = atomic_load(&p->shared->pid);
	p->pidfd = -1;
	p->lanes = p->lone = SESSION_NONE;
	p->merge.deal = deal;
	p->merge.context = p;
	if (legacy) {
		p->inherited = legacy->objects;
		p->account = legacy->account;
		free(legacy);
	} else {
		account_init(&p->account);
	}
	account_open(&p->account, p->pid, s, atomic_load(&p->shared->notes));
	return p;
}

void process_begin(struct process *p, struct trace_writer *writer)
{
	int error = ledger_init(&p->ledger, writer, p->account.start_clock);

	p->begun = true;
	p->ledger.grain_ns = p->session->mode & SESSION_EXACT ? 0 : GRAIN_NS;
	/* From now on the file can be read. */
	p->ledger.error = error ? error : trace_writer_flush(writer);
}

/* How many lanes stand in the list from that one to those met before; 0 where it does not lead
 * there: a broken program has scribbled into it. */
static uint32_t count_lanes(const struct process *p, uint32_t lane)
{
	uint32_t most = p->session->lanes, count = 0;

	for (; lane != p->lanes && lane < most && count < most; count++)
		lane = session_lane(p->session, lane)->older;
	return lane == p->lanes ? count : 0;
}

/* Lanes that the process opened since the last look. */
static void meet_lanes(struct process *p)
{
	uint32_t newest = atomic_load_explicit(&p->shared->lanes, memory_order_acquire);
	uint32_t notes = session_lane_number(p->session, p->account.notes.inlet.lane);
	uint32_t lane = newest;

	for (uint32_t n = count_lanes(p, newest); n && lane < p->session->lanes;
	     n--, lane = session_lane(p->session, lane)->older) {
		struct inlet *in = lane == notes ? NULL : malloc(sizeof(*in));

		if (!in)
			continue;
		inlet_open(in, p->session, lane);
		if (merge_add(&p->merge, in))
			free(in);
	}
	p->lanes = newest;
}

/*
 * Tells the process which lane alone has written for a while, so that it may have the bias
 * (bias.h). lane: the last one that has, of so many, since the last look.
 */
static void tell_lone(struct process *p, size_t writing, uint32_t lane)
{
	uint64_t tick = atomic_load_explicit(&p->session->tick, memory_order_relaxed);
	uint32_t lone = 0;

	if (!writing)
		return;
	if (writing > 1)
		lane = SESSION_NONE;
	if (lane != p->lone)
		p->lone_since = tick;
	p->lone = lane;
	if (lane != SESSION_NONE && tick > p->lone_since + LONE_NS)
		lone = lane + 1;
	if (lone != atomic_load_explicit(&p->shared->lone, memory_order_relaxed))
		atomic_store(&p->shared->lone, lone);
}

void process_look(struct process *p)
{
	const struct inlet *last = NULL;
	size_t writing = 0;

	p->published = p->waiting = 0;
	meet_lanes(p);
	for (size_t i = 0; i < p->merge.count; i++) {
		struct inlet *in = p->merge.lanes[i];
		uint64_t count = session_published(in->lane);

		p->published += count;
		p->waiting += in->broken ? 0 : count - in->at;
		if (count == in->shown)
			continue;
		in->shown = count;
		last = in;
		writing++;
		/* Those that wrote since the last time go onto their slow path, where they see the
		 * tick. */
		session_poke(in->lane);
	}
	tell_lone(p, writing, last ? session_lane_number(p->session, last->lane) : SESSION_NONE);
}

bool process_wants(const struct process *p)
{
	return atomic_load_explicit(&p->shared->threads, memory_order_relaxed) != p->crew.count;
}

/* The program has written over what it shares with hakrec. */
static bool spoilt(const struct process *p)
{
	bool broken = p->account.notes.inlet.broken;

	for (size_t i = 0; i < p->merge.count; i++)
		broken |= p->merge.lanes[i]->broken;
	return broken;
}

/* All that was published when it began is dealt with. */
static void end_round(struct process *p)
{
	uint64_t now = atomic_load_explicit(&p->session->tick, memory_order_relaxed);

	p->round++;
	if (p->crew.count)
		take_unheard(p);
	if (p->crew.exiting && now >= p->settled + SETTLE_NS) {
		p->settled = now;
		crew_settle(&p->crew, &p->ledger, p->pid, p->round);
	}
	/* What came before is seen in one round and has the next one's rank, at the latest. */
	p->spoilt += spoilt(p);
	if (p->spoilt > 2 && !p->ledger.error)
		p->ledger.error = LEDGER_SPOILT;
}

void process_drain(struct process *p, uint64_t rank)
{
	if (p->ledger.error)
		return;
	meet_lanes(p);
	merge_look(&p->merge);
	/* After the look: whatever a record refers to was told before. */
	while (account_read(&p->account, &p->ledger))
		;
	merge_run(&p->merge, rank);
	end_round(p);
}

bool process_skim(struct process *p, uint64_t rank, uint64_t until_ns)
{
	p->merge.dealt = 0;
	if (p->ledger.error)
		return true;
	meet_lanes(p);
	merge_look(&p->merge);
	while (account_read(&p->account, &p->ledger))
		if (session_now(p->session) >= until_ns)
			return true;
	p->skim_until = until_ns;
	p->skim_look = SKIM_RECORDS;
	p->hard = false;
	merge_run(&p->merge, rank);
	p->skim_until = 0;
	if (!p->merge.stopped)
		end_round(p);
	return !p->hard;
}

void process_flush(struct process *p)
{
	if (!p->ledger.error)
		p->ledger.error = trace_writer_flush(p->ledger.writer);
}

void process_settle(struct process *p)
{
	/* The second look settles what the first one saw. */
	process_drain(p, UINT64_MAX);
	process_drain(p, UINT64_MAX);
	if (p->ledger.error)
		return;
	settle_lost(p);
	take_unheard(p);
	crew_end(&p->crew, &p->ledger);
	account_end(&p->account, &p->ledger);
}

void process_end(struct process *p, const char *end)
{
	if (spoilt(p) && !p->ledger.error)
		p->ledger.error = LEDGER_SPOILT;
	p->message = ledger_end(&p->ledger, p->path, end);
}

void process_destroy(struct process *p)
{
	merge_fini(&p->merge);
	account_close(&p->account);
	account_fini(&p->account);
	ledger_fini(&p->ledger);
	objects_fini(&p->inherited);
	crew_fini(&p->crew);
	if (p->pidfd >= 0)
		close(p->pidfd);
	atomic_store(&p->shared->state, PROCESS_FREE);
	session_give_process(p->session, p->number);
	free(p->path);
	free(p->message);
	free(p);
}
