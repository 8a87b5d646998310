#include "drain.h"

#include "doze.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAP_NS    5000000 /* from tick to tick; lanes keep their own time in between */
#define HASTE_NS  1000000 /* ... while something waits for its records to be taken */
#define SLEEP_NS  100000000
#define LATEST_NS 20000000 /* until the records that wait are taken, however few */
#define CHECK_NS  20000000
#define DAY_NS    (24 * UINT64_C(3600000000000))
#define FLUSH_NS  1000000000 /* a reader of the growing file lags no more */
#define IDLE_NAPS 4          /* without a new record, before sleeping until called */
#define BATCHES   64         /* of records that the short chunks have room for */

/* How long, and of how many batches, records may be left to the idler. */
#define PATIENCE_NS      60000000
#define PATIENCE_BATCHES 8
#define SKIM_NS          100000 /* that it works at a time; */
/* ... until it looks again when nothing is left, or was so little that it is not worth the look. */
#define SKIM_NEXT_NS 1000000
#define SKIM_FEW_NS  4000000
#define SKIM_LEAST   1024 /* records */
#define SKIM_LANES   64   /* that it looks at each time */

/* ---- one process's end ---- */

/* How the first process ended, which is known from outside. */
static void add_status(const struct drain *d, const struct process *p)
{
	int status = d->first_status;
	char text[32];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "%d", WEXITSTATUS(status));
	trace_writer_fact(p->ledger.writer, "exit_status", text);
}

/* Says so when calls of the process are lost though the session is not lossy. */
static void say_unheard(struct drain *d, const struct process *p)
{
	char *text = NULL;

	if (p->unheard && asprintf(&text,
				   "%s: %" PRIu64 " calls are lost: there were more threads at "
				   "once than can be recorded (%u)",
				   p->path, p->unheard, d->session->lanes) > 0)
		recording_fail(d->recording, text);
	free(text);
}

static void say_unrecorded(struct drain *d)
{
	const struct session *s = d->session;
	uint32_t count = atomic_load(&s->unrecorded);
	char text[160];

	if (!count)
		return;
	snprintf(text, sizeof(text),
		 "%u processes were not recorded: there were more at once than can be (%u, with %u "
		 "threads)",
		 count, s->processes, s->lanes);
	recording_fail(d->recording, text);
}

static void end_process(struct drain *d, size_t index, bool replaced)
{
	struct process *p = d->processes[index];

	if (p->begun) {
		if (p->first && !replaced && atomic_load(&d->first_ended))
			add_status(d, p);
		/* Threads notice the end of a recording that stops at different moments: what they
		 * still wrote is not whole. */
		if (!d->stop)
			process_settle(p);
		process_end(p, d->stop ? d->stop : replaced ? "exec" : NULL);
		if (replaced)
			recording_move(d->recording, &p->path, p->account.program, p->pid,
				       p->image + 1);
		say_unheard(d, p);
		recording_add(d->recording, p->path, p->message, p->crew.count, &p->ledger.counts);
	}
	process_destroy(p);
	d->processes[index] = d->processes[--d->count];
}

/* ---- arrivals ---- */

static bool has_legacy(const struct drain *d, uint32_t child)
{
	for (const struct legacy *legacy = d->legacies; legacy; legacy = legacy->next)
		if (legacy->child == child)
			return true;
	return false;
}

static struct legacy *take_legacy(struct drain *d, uint32_t child)
{
	for (struct legacy **at = &d->legacies; *at; at = &(*at)->next)
		if ((*at)->child == child) {
			struct legacy *legacy = *at;

			*at = legacy->next;
			return legacy;
		}
	return NULL;
}

static int find_process(const struct drain *d, pid_t pid)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->processes[i]->pid == pid)
			return (int)i;
	return -1;
}

static int find_number(const struct drain *d, uint32_t number)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->processes[i]->number == number)
			return (int)i;
	return -1;
}

static void begin_trace(struct drain *d, struct process *p)
{
	struct trace_writer *writer =
		recording_begin(d->recording, p->first, p->account.program, p->pid, &p->path);

	if (!writer) {
		atomic_store(&d->session->closed, 1);
		return;
	}
	d->add_facts(writer, p);
	process_begin(p, writer);
}

static bool add_process(struct drain *d, struct process *p)
{
	if (d->count == d->room) {
		size_t room = d->room ? d->room * 2 : 16;
		struct process **all = realloc(d->processes, room * sizeof(*all));

		if (!all)
			return false;
		d->processes = all;
		d->room = room;
	}
	d->processes[d->count++] = p;
	return true;
}

/*
 * A forked process can only be welcomed when the fork was read, which is while its parent is there;
 * and an image after those that its process had before. Those that wait stand first among the
 * strangers, so many of them.
 */
static bool must_wait(const struct drain *d, uint32_t number, size_t waiting)
{
	struct session_process *shared = session_process(d->session, number);
	bool forked = shared->parent != SESSION_NONE && atomic_load(&shared->announced);
	pid_t pid = atomic_load(&shared->pid);

	for (size_t i = 0; i < waiting; i++)
		if (atomic_load(&session_process(d->session, d->strangers[i])->pid) == pid)
			return true;
	if (!forked || has_legacy(d, number))
		return false;
	for (size_t i = 0; i < d->n_strangers; i++)
		if (d->strangers[i] == shared->parent)
			return true;
	return find_number(d, shared->parent) >= 0;
}

/* What a child takes along whose fork was not announced: what its parent has told by now. */
static struct legacy *guess_legacy(struct process *parent, uint32_t child)
{
	while (parent->begun && account_read(&parent->account, &parent->ledger))
		;
	return legacy_create(parent, child);
}

/* False: it has to wait. */
static bool welcome(struct drain *d, uint32_t number, size_t waiting)
{
	struct session_process *shared = session_process(d->session, number);
	struct legacy *legacy = NULL;
	uint32_t image = 0;
	pid_t pid = atomic_load(&shared->pid);
	int earlier, parent;
	struct process *p;

	if (must_wait(d, number, waiting))
		return false;
	parent = shared->parent == SESSION_NONE ? -1 : find_number(d, shared->parent);
	legacy = take_legacy(d, number);
	if (!legacy && parent >= 0)
		legacy = guess_legacy(d->processes[parent], number);
	earlier = find_process(d, pid);
	if (earlier >= 0) {
		/* Another image; or another process, if the number is used again so soon. */
		image = d->processes[earlier]->image + 1;
		end_process(d, (size_t)earlier, true);
	}
	p = process_create(d->session, number, legacy);
	if (!p || !add_process(d, p))
		return true;
	p->image = image;
	p->first = pid == d->first;
	p->forks = &d->legacies;
	p->account.unwinder = d->unwinder;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	account_meet(&p->account);
	begin_trace(d, p);
	return true;
}

/* Appends those that arrived, in their order. */
static void collect_arrivals(struct drain *d)
{
	uint32_t last = session_take_arrivals(d->session);
	uint32_t *strangers;
	size_t count = 0;

	for (uint32_t i = last; i < d->session->processes;
	     i = session_arrived_before(d->session, i))
		if (count++ == d->session->processes)
			return; /* a broken program's */
	if (!count)
		return;
	strangers = realloc(d->strangers, (d->n_strangers + count) * sizeof(*strangers));
	if (!strangers)
		return;
	d->strangers = strangers;
	d->n_strangers += count;
	strangers += d->n_strangers;
	for (uint32_t i = last; i < d->session->processes;
	     i = session_arrived_before(d->session, i))
		*--strangers = i;
}

static void meet_arrivals(struct drain *d)
{
	size_t before;

	collect_arrivals(d);
	/* One may have to wait for another that stands behind it. */
	do {
		size_t kept = 0;

		before = d->n_strangers;
		for (size_t i = 0; i < before; i++)
			if (!welcome(d, d->strangers[i], kept))
				d->strangers[kept++] = d->strangers[i];
		d->n_strangers = kept;
	} while (d->n_strangers && d->n_strangers < before);
}

/* ---- looking after processes ---- */

static bool gone(const struct process *p)
{
	struct pollfd poll_fd = {.fd = p->pidfd, .events = POLLIN};

	if (p->pidfd < 0)
		return kill(p->pid, 0) != 0 && errno == ESRCH;
	return poll(&poll_fd, 1, 0) > 0;
}

/* A child that was forked and is gone, or became another program, without a call; or that never
 * was: the fork failed, or it was killed before it could say so much as its pid. */
static bool childless(const struct drain *d, const struct legacy *legacy)
{
	const struct session_process *child = session_process(d->session, legacy->child);
	uint32_t state = atomic_load(&child->state);
	pid_t pid = atomic_load(&child->pid);

	if (state != PROCESS_RESERVED)
		return state == PROCESS_FREE;
	if (!pid)
		return atomic_load(&d->last_ended);
	return (kill(pid, 0) != 0 && errno == ESRCH) || find_process(d, pid) >= 0;
}

static void drop_legacies(struct drain *d)
{
	for (struct legacy **at = &d->legacies; *at;) {
		struct legacy *legacy = *at;

		if (childless(d, legacy)) {
			*at = legacy->next;
			session_give_process(d->session, legacy->child);
			legacy_destroy(legacy);
		} else {
			at = &legacy->next;
		}
	}
}

static void look_after(struct drain *d)
{
	for (size_t i = 0; i < d->count; i++) {
		struct process *p = d->processes[i];

		/* The first one's status comes with its end from outside. */
		p->gone = gone(p) && (!p->first || atomic_load(&d->first_ended));
	}
	/* Children that presented themselves before that take along what their parents have. */
	meet_arrivals(d);
	for (size_t i = 0; i < d->count;) {
		struct process *p = d->processes[i];

		if (p->gone) {
			end_process(d, i, false);
			continue;
		}
		if (p->begun && d->tick - p->flushed > FLUSH_NS) {
			p->flushed = d->tick;
			process_flush(p);
		}
		crew_name(&p->crew, &p->ledger, p->pid);
		i++;
	}
	drop_legacies(d);
}

/* ---- rounds ---- */

static void raise_tick(struct drain *d)
{
	struct session *s = d->session;
	uint64_t now = session_now(s);
	uint64_t tick = atomic_load(&s->tick);

	while (tick < now && !atomic_compare_exchange_weak(&s->tick, &tick, now))
		;
	d->tick = now;
}

/* Nothing more can be written to one trace: recording ends, and every trace says why. */
static void stop(struct drain *d, const struct process *p)
{
	if (atomic_exchange(&d->session->closed, 1))
		return;
	d->stop = trace_writer_full(p->ledger.writer) ? "max-size"
		  : p->ledger.error == -ENOSPC        ? "disk full"
						      : "failure";
}

/* Shows everyone the tick, and sees what there is to do. */
static void look(struct drain *d)
{
	uint64_t published = 0;

	d->waiting = 0;
	d->lanes = 0;
	d->wanted = d->n_strangers || atomic_load(&d->session->starving);
	for (size_t i = 0; i < d->count; i++) {
		struct process *p = d->processes[i];

		if (p->begun)
			process_look(p);
		published += p->published;
		d->waiting += p->waiting;
		d->lanes += p->merge.count;
		d->wanted |= process_wants(p);
	}
	d->idle = published == d->published ? d->idle + 1 : 0;
	d->published = published;
}

/*
 * Whether more waits than should. Taken in large batches it costs less: hakrec then finds its
 * tables in the caches, where the program's data was, mostly because the records before have put
 * them there.
 */
static bool behind(const struct drain *d)
{
	uint64_t batch = (uint64_t)d->session->chunks_wanted * CHUNK_RECORDS / BATCHES;
	uint64_t age = d->tick - d->drained;

	if (d->idler.wanted)
		return d->waiting >= PATIENCE_BATCHES * batch || age >= PATIENCE_NS;
	return d->waiting >= batch || age >= LATEST_NS;
}

/* Takes what was published before a tick. */
static void take(struct drain *d, uint64_t tick)
{
	d->drained = d->tick;
	d->hard = false;
	for (size_t i = 0; i < d->count; i++) {
		struct process *p = d->processes[i];

		if (!p->begun)
			continue;
		process_drain(p, rank_last(tick));
		session_feed(d->session);
		if (p->ledger.error)
			stop(d, p);
	}
}

/* The idler's work: some of that. Returns for how many ns it is done. */
static uint64_t skim(void *context)
{
	struct drain *d = context;
	uint64_t tick = d->tick, end, taken = 0;

	raise_tick(d);
	end = d->tick + SKIM_NS;
	/* All are shown the tick before any is dealt with up to it, by whichever thread. */
	for (size_t i = 0; i < d->count; i++)
		if (d->processes[i]->begun)
			process_look(d->processes[i]);
	for (size_t i = 0; i < d->count && session_now(d->session) < end; i++) {
		struct process *p = d->processes[++d->turn % d->count];

		if (!p->begun)
			continue;
		d->hard |= !process_skim(p, rank_last(tick), end);
		taken += p->merge.dealt;
		session_feed(d->session);
		if (p->ledger.error)
			stop(d, p);
	}
	if (!d->hard && session_now(d->session) >= end)
		return 0;
	return d->hard || taken < SKIM_LEAST ? SKIM_FEW_NS : SKIM_NEXT_NS;
}

static void run_round(struct drain *d)
{
	uint64_t tick = d->tick;

	raise_tick(d);
	if (d->tick > CLOCK_DAYS * DAY_NS && !atomic_exchange(&d->session->closed, 1))
		d->stop = "104 days";
	meet_arrivals(d);
	look(d);
	if (behind(d) || d->wanted || d->hard || d->idle >= IDLE_NAPS)
		take(d, tick);
}

/* Makes the next record of every lane ring. False: something was published meanwhile. */
static bool set_alarms(struct drain *d)
{
	for (size_t i = 0; i < d->count; i++) {
		struct merge *m = &d->processes[i]->merge;

		for (size_t j = 0; j < m->count; j++)
			atomic_store(&m->lanes[j]->lane->limit, 0);
	}
	for (size_t i = 0; i < d->count; i++) {
		struct merge *m = &d->processes[i]->merge;

		for (size_t j = 0; j < m->count; j++)
			if (atomic_load(&m->lanes[j]->lane->count) != m->lanes[j]->at)
				return false;
	}
	return true;
}

/* Until the next tick is due or, when nothing happens, until called. bell: as it was before looking
 * at what there is to do. */
static void rest(struct drain *d, uint32_t bell)
{
	struct session *s = d->session;

	if (d->idle < IDLE_NAPS) {
		doze(&s->bell, bell, d->wanted ? HASTE_NS : NAP_NS);
		return;
	}
	/* Sequentially consistent: pairs with track_refill(). */
	atomic_store(&s->asleep, 1);
	doze(&s->bell, bell, set_alarms(d) ? SLEEP_NS : NAP_NS);
	atomic_store(&s->asleep, 0);
}

static bool can_skim(const struct drain *d)
{
	return d->lanes && d->lanes <= SKIM_LANES && d->idle < IDLE_NAPS;
}

static bool all_over(const struct drain *d)
{
	return atomic_load(&d->first_ended) && !d->count && !d->n_strangers && !d->legacies &&
	       !(uint32_t)atomic_load(&d->session->arrivals.top);
}

/* Keeps the live line up to date. */
static void show(struct drain *d)
{
	struct ticker *ticker = &d->recording->ticker;
	struct ticker_figures figures;

	if (!ticker_due(ticker, d->tick))
		return;
	figures = recording_figures(d->recording);
	for (size_t i = 0; i < d->count; i++)
		if (d->processes[i]->begun)
			ticker_add(&figures, &d->processes[i]->ledger, d->processes[i]->crew.count);
	ticker_show(ticker, &figures, d->tick);
}

void drain_run(struct drain *d)
{
	idler_start(&d->idler, skim, d);
	while (!all_over(d) && !atomic_load(&d->session->closed)) {
		uint32_t bell = atomic_load(&d->session->bell);

		run_round(d);
		if (d->tick - d->checked > CHECK_NS || atomic_load(&d->first_ended)) {
			d->checked = d->tick;
			look_after(d);
		}
		if (all_over(d))
			break;
		show(d);
		idler_resume(&d->idler, can_skim(d));
		rest(d, bell);
		idler_pause(&d->idler);
	}
	idler_stop(&d->idler);
	atomic_store(&d->session->closed, 1);
	session_feed(d->session);
	while (d->count)
		end_process(d, 0, false);
	recording_close(d->recording);
	say_unrecorded(d);
	if (!d->recording->count)
		recording_fail(d->recording,
			       "the program was not recorded: it did not load libhakrec.so");
}

void drain_fini(struct drain *d)
{
	while (d->legacies) {
		struct legacy *next = d->legacies->next;

		legacy_destroy(d->legacies);
		d->legacies = next;
	}
	free(d->strangers);
	free(d->processes);
	unwinder_destroy(d->unwinder);
}
