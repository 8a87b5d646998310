#include "family.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* From one end of a block to the next, and a round: a reader of the growing file lags a second. */
#define FLUSH_NS 900000000

/* ---- one process's end ---- */

/* How the first process ended, which is known from outside. */
static void add_status(const struct family *f, const struct process *p)
{
	int status = f->first_status;
	char text[32];

	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "%d", WEXITSTATUS(status));
	trace_writer_fact(p->ledger.writer, "exit_status", text);
}

/* Says so when calls of the process are lost though the session is not lossy. */
static void say_unheard(struct family *f, const struct process *p)
{
	char *text = NULL;

	if (p->unheard && asprintf(&text,
				   "%s: %" PRIu64 " calls are lost: there were more threads at "
				   "once than can be recorded (%u)",
				   p->path, p->unheard, f->session->lanes) > 0)
		recording_fail(f->recording, text);
	free(text);
}

static void end_process(struct family *f, size_t index, bool replaced)
{
	struct process *p = f->processes[index];

	if (p->begun) {
		if (p->first && !replaced && atomic_load(&f->first_ended))
			add_status(f, p);
		/* Threads notice the end of a recording that stops at different moments: what they
		 * still wrote is not whole. */
		if (!f->stop)
			process_settle(p);
		process_end(p, f->stop ? f->stop : replaced ? "exec" : NULL);
		/* Its memory cannot be given back whole, nor may all its children be known. */
		if (p->ledger.error == LEDGER_SPOILT)
			family_stop(f, "failure");
		if (replaced)
			recording_move(f->recording, &p->path, p->account.program, p->pid,
				       p->image + 1);
		say_unheard(f, p);
		recording_add(f->recording, p->path, p->message, p->crew.count, &p->ledger.counts);
	}
	process_destroy(p);
	f->processes[index] = f->processes[--f->count];
}

/* ---- arrivals ---- */

static int find_process(const struct family *f, pid_t pid)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->processes[i]->pid == pid)
			return (int)i;
	return -1;
}

static int find_number(const struct family *f, uint32_t number)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->processes[i]->number == number)
			return (int)i;
	return -1;
}

static void begin_trace(struct family *f, struct process *p)
{
	struct trace_writer *writer =
		recording_begin(f->recording, p->first, p->account.program, p->pid, &p->path);

	if (!writer) {
		family_stop(f, "failure");
		return;
	}
	f->add_facts(writer, p);
	process_begin(p, writer);
}

static bool add_process(struct family *f, struct process *p)
{
	if (f->count == f->room) {
		size_t room = f->room ? f->room * 2 : 16;
		struct process **all = realloc(f->processes, room * sizeof(*all));

		if (!all)
			return false;
		f->processes = all;
		f->room = room;
	}
	f->processes[f->count++] = p;
	return true;
}

/*
 * A forked process can only be welcomed when the fork was read, which is while its parent is there;
 * and an image after those that its process had before. Those that wait stand first among the
 * strangers, so many of them.
 */
static bool must_wait(const struct family *f, uint32_t number, size_t waiting)
{
	struct session_process *shared = session_process(f->session, number);
	bool forked = shared->parent != SESSION_NONE && atomic_load(&shared->announced);
	pid_t pid = atomic_load(&shared->pid);

	for (size_t i = 0; i < waiting; i++)
		if (atomic_load(&session_process(f->session, f->strangers[i])->pid) == pid)
			return true;
	if (!forked || legacy_find(f->legacies, number))
		return false;
	for (size_t i = 0; i < f->n_strangers; i++)
		if (f->strangers[i] == shared->parent)
			return true;
	return find_number(f, shared->parent) >= 0;
}

/* What a child takes along whose fork was not announced: what its parent has told by now. */
static struct legacy *guess_legacy(struct process *parent, uint32_t child)
{
	while (parent->begun && account_read(&parent->account, &parent->ledger))
		;
	return legacy_create(child, &parent->ledger.objects, &parent->account);
}

/* False: it has to wait. */
static bool welcome(struct family *f, uint32_t number, size_t waiting)
{
	struct session_process *shared = session_process(f->session, number);
	struct legacy *legacy = NULL;
	uint32_t image = 0;
	pid_t pid = atomic_load(&shared->pid);
	int earlier, parent;
	struct process *p;

	if (must_wait(f, number, waiting))
		return false;
	parent = shared->parent == SESSION_NONE ? -1 : find_number(f, shared->parent);
	legacy = legacy_take(&f->legacies, number);
	if (!legacy && parent >= 0)
		legacy = guess_legacy(f->processes[parent], number);
	earlier = find_process(f, pid);
	if (earlier >= 0) {
		/* Another image; or another process, if the number is used again so soon. */
		image = f->processes[earlier]->image + 1;
		end_process(f, (size_t)earlier, true);
	}
	p = process_create(f->session, number, legacy);
	if (!p || !add_process(f, p)) {
		recording_fail(f->recording, strerror(ENOMEM));
		family_stop(f, "failure");
		if (p)
			process_destroy(p);
		else
			legacy_destroy(legacy);
		return true;
	}
	p->image = image;
	p->first = pid == f->first;
	p->forks = &f->legacies;
	p->account.unwinder = f->unwinder;
	p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	account_meet(&p->account);
	begin_trace(f, p);
	return true;
}

static bool add_stranger(struct family *f, uint32_t number)
{
	uint32_t *strangers = realloc(f->strangers, (f->n_strangers + 1) * sizeof(*strangers));

	if (!strangers)
		return false;
	f->strangers = strangers;
	f->strangers[f->n_strangers++] = number;
	return true;
}

/* Appends those that arrived, in their order: the list has the last one first. It is read once, as
 * a broken program may change it. */
static void collect_arrivals(struct family *f)
{
	uint32_t most = f->session->processes;
	size_t first = f->n_strangers;

	for (uint32_t i = session_take_arrivals(f->session); i < most;
	     i = session_arrived_before(f->session, i))
		if (f->n_strangers - first == most || !add_stranger(f, i)) {
			f->n_strangers = first;
			return;
		}
	for (size_t i = first, j = f->n_strangers; i + 1 < j; i++) {
		uint32_t later = f->strangers[i];

		f->strangers[i] = f->strangers[--j];
		f->strangers[j] = later;
	}
}

void family_meet(struct family *f)
{
	size_t before;

	collect_arrivals(f);
	/* One may have to wait for another that stands behind it. */
	do {
		size_t kept = 0;

		before = f->n_strangers;
		for (size_t i = 0; i < before; i++)
			if (!welcome(f, f->strangers[i], kept))
				f->strangers[kept++] = f->strangers[i];
		f->n_strangers = kept;
	} while (f->n_strangers && f->n_strangers < before);
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
static bool childless(const struct family *f, const struct legacy *legacy)
{
	const struct session_process *child = session_process(f->session, legacy->child);
	uint32_t state = atomic_load(&child->state);
	pid_t pid = atomic_load(&child->pid);

	if (state != PROCESS_RESERVED)
		return state == PROCESS_FREE;
	if (!pid)
		return atomic_load(&f->last_ended);
	return (kill(pid, 0) != 0 && errno == ESRCH) || find_process(f, pid) >= 0;
}

static void drop_legacies(struct family *f)
{
	for (struct legacy **at = &f->legacies; *at;) {
		struct legacy *legacy = *at;

		if (childless(f, legacy)) {
			*at = legacy->next;
			session_give_process(f->session, legacy->child);
			legacy_destroy(legacy);
		} else {
			at = &legacy->next;
		}
	}
}

static bool must_flush(const struct process *p, uint64_t now)
{
	return p->begun && now - p->flushed > FLUSH_NS;
}

bool family_wants(const struct family *f, uint64_t now)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct process *p = f->processes[i];

		if (gone(p) || must_flush(p, now) || p->crew.unnamed)
			return true;
	}
	for (const struct legacy *legacy = f->legacies; legacy; legacy = legacy->next)
		if (childless(f, legacy))
			return true;
	return false;
}

void family_look_after(struct family *f, uint64_t now)
{
	for (size_t i = 0; i < f->count; i++) {
		struct process *p = f->processes[i];

		/* The first one's status comes with its end from outside. */
		p->gone = gone(p) && (!p->first || atomic_load(&f->first_ended));
	}
	/* Children that presented themselves before that take along what their parents have. */
	family_meet(f);
	for (size_t i = 0; i < f->count;) {
		struct process *p = f->processes[i];

		if (p->gone) {
			end_process(f, i, false);
			continue;
		}
		if (must_flush(p, now)) {
			p->flushed = now;
			process_flush(p);
		}
		crew_name(&p->crew, &p->ledger, p->pid);
		i++;
	}
	drop_legacies(f);
}

/* ---- all together ---- */

bool family_over(const struct family *f)
{
	return atomic_load(&f->first_ended) && !f->count && !f->n_strangers && !f->legacies &&
	       !(uint32_t)atomic_load(&f->session->arrivals.top);
}

void family_stop(struct family *f, const char *why)
{
	if (!atomic_exchange(&f->session->closed, 1))
		f->stop = why;
	/* Whoever rests is to see it. */
	session_ring(f->session);
}

static void say_unrecorded(struct family *f)
{
	const struct session *s = f->session;
	uint32_t count = atomic_load(&s->unrecorded);
	char text[160];

	if (!count)
		return;
	snprintf(text, sizeof(text),
		 "%u processes were not recorded: there were more at once than can be (%u, with %u "
		 "threads)",
		 count, s->processes, s->lanes);
	recording_fail(f->recording, text);
}

void family_close(struct family *f)
{
	atomic_store(&f->session->closed, 1);
	session_feed(f->session);
	while (f->count)
		end_process(f, 0, false);
	recording_close(f->recording);
	say_unrecorded(f);
	if (!f->recording->count)
		recording_fail(f->recording,
			       "the program was not recorded: it did not load libhakrec.so");
}

void family_fini(struct family *f)
{
	while (f->legacies)
		legacy_destroy(legacy_take(&f->legacies, f->legacies->child));
	free(f->strangers);
	free(f->processes);
	unwinder_destroy(f->unwinder);
}
