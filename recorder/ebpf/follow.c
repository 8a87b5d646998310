#include "follow.h"

#include "threadstack.h"

#include "recorder/facts.h"
#include "recorder/session.h"

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define COARSE_NS     (1u << 17) /* a power of two */
#define READ_MS       5          /* how long a quiet ring is left alone */
#define CHECK_NS      200000000  /* how often processes are looked after */
#define TAKEN_AT_ONCE 65536

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- processes ---- */

static struct tracee *find(const struct follow *f, uint32_t pid)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->tracees[i]->pid == (pid_t)pid)
			return f->tracees[i];
	return NULL;
}

static struct tracee *add(struct follow *f, struct tracee *t)
{
	if (t && f->count == f->room) {
		size_t room = f->room ? f->room * 2 : 16;
		struct tracee **all = realloc(f->tracees, room * sizeof(*all));

		if (!all) {
			tracee_destroy(t);
			return NULL;
		}
		f->tracees = all;
		f->room = room;
	}
	if (t)
		f->tracees[f->count++] = t;
	return t;
}

static struct tracee *make(struct follow *f, pid_t pid)
{
	struct tracee *t = tracee_create(pid, &f->files, &f->stacks);

	if (t) {
		t->sites = f->mode & (SESSION_CONTEXT | SESSION_ADDRESS);
		t->heights = f->mode & SESSION_CONTEXT;
	}
	return add(f, t);
}

/* The trace's first call. */
static void begin(struct follow *f, struct tracee *t)
{
	struct trace_writer *writer =
		recording_begin(f->recording, t->first, t->program, t->pid, &t->path);
	struct facts facts = {
		.backend = "ebpf",
		.program = t->program,
		.command = t->command,
		.pid = t->pid,
		.parent_pid = t->parent_pid,
		.mode = f->mode,
		.age_ns = monotonic_ns() - f->start_ns - f->clock,
	};

	if (!writer) {
		atomic_store(&f->stop, true);
		return;
	}
	facts_add(writer, &facts);
	tracee_begin(t, writer, f->clock);
}

/* The process is gone, has become another image (replaced), or is let go (end says so). */
static void end(struct follow *f, struct tracee *t, bool replaced, const char *reason)
{
	tids_remove_process(&f->tids, (uint32_t)t->pid);
	if (!t->begun && !replaced && *t->program && !t->functions) {
		f->unfound++;
		tracee_explain(t);
	} else if (!t->begun && !replaced && t->first) {
		begin(f, t);
	}
	if (t->begun) {
		tracee_end(t, reason);
		if (replaced)
			recording_move(f->recording, &t->path, t->program, t->pid, t->image + 1);
		recording_add(f->recording, t->path, t->message, t->threads, &t->ledger.counts);
	}
	for (size_t i = 0; i < f->count; i++)
		if (f->tracees[i] == t)
			f->tracees[i] = f->tracees[--f->count];
	tracee_destroy(t);
}

/* ---- files ---- */

struct look {
	struct follow *follow;
	struct tracee *tracee;
};

static struct codefile *look_at(void *context, uint64_t first, uint64_t last, uint64_t offset)
{
	struct look *look = context;
	struct follow *f = look->follow;
	struct codefile *file = codefiles_mapped(&f->files, look->tracee->pid, first, last);

	if (!file)
		return NULL;
	if (!file->probed && file->entrances.count &&
	    tracer_probe(f->tracer, file->fd, &file->entrances) && !f->probe_failed) {
		f->probe_failed = true;
		warnx("%s: %s", file->path, tracer_error(f->tracer));
	}
	file->probed = true;
	tracee_map(look->tracee, file, first, last, offset);
	return file;
}

static int visit_mapping(void *context, uint64_t first, uint64_t last, uint64_t offset)
{
	look_at(context, first, last, offset);
	return 0;
}

/* ---- messages ---- */

static void take_thread(struct follow *f, const struct ring_thread *m)
{
	struct tracee *t = find(f, m->pid);
	struct tracee_thread *thread;

	if (!t)
		return;
	thread = tids_add(&f->tids, m->head.tid, m->pid, t);
	if (!thread)
		return;
	thread->stack_begin = thread->told_begin = m->stack_begin;
	if (!m->stack_begin && !m->parent && m->thread_pointer)
		thread->stack_begin = threadstack_begin((pid_t)m->pid, m->thread_pointer);
	memcpy(thread->name, m->name, sizeof(thread->name) - 1);
}

static void take_fork(struct follow *f, const struct ring_thread *m)
{
	struct tracee_thread *parent = tids_find(&f->tids, m->parent);
	struct tracee_thread *child;
	struct tracee *t;

	if (!parent)
		return;
	if (parent->host)
		parent = parent->host;
	t = m->head.flags & RING_SHARED ? parent->tracee
					: add(f, tracee_fork(parent->tracee, (pid_t)m->pid));
	child = t ? tids_add(&f->tids, m->head.tid, m->pid, t) : NULL;
	if (!child)
		return;
	child->stack_begin = child->told_begin = m->stack_begin;
	memcpy(child->name, m->name, sizeof(child->name) - 1);
	if (m->head.flags & RING_SHARED) {
		child->host = parent;
		parent->guests++;
	}
}

static void take_exec(struct follow *f, const struct ring_exec *m)
{
	struct tracee *old = find(f, m->pid), *t;
	struct tracee_thread *thread;
	uint32_t image = old ? old->image + old->begun : 0;
	bool first = old && old->first;

	tids_remove_process(&f->tids, m->pid);
	if (old)
		end(f, old, true, "exec");
	t = make(f, (pid_t)m->pid);
	thread = t ? tids_add(&f->tids, m->pid, m->pid, t) : NULL;
	if (thread) {
		struct look look = {f, t};

		t->image = image;
		t->first = first;
		thread->stack_begin = thread->told_begin = m->stack_begin;
		memcpy(thread->name, m->name, sizeof(thread->name) - 1);
		tracee_identify(t);
		codefiles_scan(t->pid, visit_mapping, &look);
	}
	kill((pid_t)m->pid, SIGCONT);
}

static void take_map(struct follow *f, const struct ring_map *m)
{
	struct tracee *t = find(f, m->pid);
	struct codefile *file = codefiles_known(&f->files, m->device, m->inode);
	struct look look = {f, t};

	if (t && file)
		tracee_map(t, file, m->begin, m->end, m->offset);
	else if (t)
		file = look_at(&look, m->begin, m->end, m->offset);
	if (file) {
		file->kernel_device = m->device;
		file->kernel_inode = m->inode;
	}
	if (m->head.flags & RING_STOPPED) {
		tracer_know(f->tracer, m->device, m->inode);
		kill((pid_t)m->pid, SIGCONT);
	}
}

static void take_lost(struct follow *f, struct tracee_thread *thread, uint64_t count)
{
	struct tracee *t = thread->tracee;

	if (!t->begun)
		begin(f, t);
	if (t->begun)
		tracee_lost(t, thread->host ? thread->host : thread, count, f->clock);
}

static void take_exit(struct follow *f, const struct ring_exit *m)
{
	struct tracee_thread *thread = tids_find(&f->tids, m->head.tid);
	struct tracee *t = find(f, m->pid);

	if (thread && m->lost)
		take_lost(f, thread, m->lost);
	if (thread && !thread->host && thread->tracee->begun && !(m->head.flags & RING_GROUP))
		tracee_exit(thread->tracee, thread, m->name, f->clock);
	tids_remove(&f->tids, m->head.tid);
	if (t && m->head.flags & RING_LAST)
		end(f, t, false, NULL);
}

static void take_call(struct follow *f, const struct ring_head *m)
{
	struct tracee_thread *thread = tids_find(&f->tids, m->tid);
	struct tracee *t;

	if (__builtin_expect(!thread, 0)) {
		f->strays++;
		return;
	}
	t = thread->tracee;
	if (__builtin_expect(!t->begun, 0)) {
		begin(f, t);
		if (!t->begun)
			return;
	}
	if (__builtin_expect(m->lost, 0))
		take_lost(f, thread, m->lost);
	if (__builtin_expect(thread->host != NULL, 0))
		thread = thread->host;
	tracee_call(t, thread, m, f->clock);
	if (__builtin_expect(t->ledger.error, 0))
		atomic_store(&f->stop, true);
}

static void take_stack(struct follow *f, const struct ring_stack *m, size_t bytes)
{
	struct tracee_thread *thread = tids_find(&f->tids, m->head.tid);

	if (thread && thread->host)
		thread = thread->host;
	if (thread && thread->tracee->begun)
		tracee_stack(thread->tracee, thread, m, bytes);
}

/* Puts a return address back that the kernel had exchanged for its own. */
static void take_raise(const struct ring_raise *m)
{
	struct iovec from = {(void *)(uintptr_t)&m->back, sizeof(m->back)};
	struct iovec to = {(void *)(uintptr_t)m->slot, sizeof(m->back)};

	if (process_vm_writev((pid_t)m->pid, &from, 1, &to, 1, 0) < 0)
		warn("process %u: an exception cannot pass", m->pid);
	kill((pid_t)m->pid, SIGCONT);
}

/* Also leaves the ring now and then, so that signals and limits are looked at. */
static int take(void *context, const struct ring_head *m, size_t bytes)
{
	struct follow *f = context;
	uint64_t clock = m->time_ns > f->start_ns ? m->time_ns - f->start_ns : 0;

	/* Coarse times repeat, which takes no room in the trace. */
	if (!(f->mode & SESSION_EXACT))
		clock &= ~(uint64_t)(COARSE_NS - 1);
	if (clock > f->clock)
		f->clock = clock;
	if (__builtin_expect(m->kind <= RING_OLD, 1)) {
		take_call(f, m);
		return ++f->taken % TAKEN_AT_ONCE ? 0 : -EAGAIN;
	}
	switch (m->kind) {
	case RING_THREAD:
		take_thread(f, (const struct ring_thread *)m);
		break;
	case RING_FORK:
		take_fork(f, (const struct ring_thread *)m);
		break;
	case RING_EXEC:
		take_exec(f, (const struct ring_exec *)m);
		break;
	case RING_MAP:
		take_map(f, (const struct ring_map *)m);
		break;
	case RING_STACK:
		take_stack(f, (const struct ring_stack *)m, bytes);
		break;
	case RING_RAISE:
		take_raise((const struct ring_raise *)m);
		break;
	case RING_EXIT:
		take_exit(f, (const struct ring_exit *)m);
		break;
	default:
		break;
	}
	return 0;
}

/* ---- the whole ---- */

struct reading {
	struct codefiles *files;
	pid_t pid;
};

static void *read_files(void *context)
{
	const struct reading *reading = context;

	codefiles_read(reading->files, reading->pid);
	return NULL;
}

int follow_open(struct follow *f, pid_t pid)
{
	struct reading reading = {&f->files, pid};
	struct tracer_options options = {
		.ring_bytes = f->ring_bytes,
		.follow = !(f->mode & SESSION_ALONE),
		.lossless = f->lossless,
	};
	pthread_t reader;
	bool reads = pid && !pthread_create(&reader, NULL, read_files, &reading);
	int error = tracer_open(&f->tracer, &options);

	if (reads)
		pthread_join(reader, NULL);
	f->start_ns = monotonic_ns();
	if (error)
		snprintf(f->error, sizeof(f->error), "%s", tracer_error(f->tracer));
	else if ((error = stacks_init(&f->stacks, tracer_wanted(f->tracer))))
		snprintf(f->error, sizeof(f->error), "%s", strerror(-error));
	return error;
}

static int admit(struct follow *f, pid_t pid, struct tracee **tracee)
{
	struct tracee *t = make(f, pid);

	if (!t) {
		snprintf(f->error, sizeof(f->error), "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	t->first = true;
	if (f->mode & SESSION_ALONE)
		tracer_only(f->tracer, (uint32_t)pid);
	*tracee = t;
	return 0;
}

static int begin_following(struct follow *f, pid_t pid)
{
	int error = tracer_follow(f->tracer, (uint32_t)pid);

	if (error)
		snprintf(f->error, sizeof(f->error), "%s", tracer_error(f->tracer));
	return error;
}

int follow_start(struct follow *f, pid_t pid)
{
	struct tracee *t;
	int error = admit(f, pid, &t);

	return error ? error : begin_following(f, pid);
}

int follow_attach(struct follow *f, pid_t pid)
{
	struct look look = {.follow = f};
	int error = admit(f, pid, &look.tracee);

	if (error)
		return error;
	tracee_identify(look.tracee);
	error = codefiles_scan(pid, visit_mapping, &look);
	if (error) {
		snprintf(f->error, sizeof(f->error), "process %d: %s", (int)pid, strerror(-error));
		return error;
	}
	/* Whatever was mapped meanwhile is found when the ring tells of it. */
	return begin_following(f, pid);
}

/* Processes whose end was not told: for want of room in the ring, or it came before all else. */
static void look_after(struct follow *f)
{
	for (size_t i = f->count; i-- > 0;) {
		struct tracee *t = f->tracees[i];

		if (t->gone)
			end(f, t, false, NULL);
		else
			t->gone = tracee_is_dead(t);
	}
}

static void check_sizes(struct follow *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->tracees[i]->begun && trace_writer_full(f->tracees[i]->ledger.writer)) {
			f->full = true;
			atomic_store(&f->stop, true);
		}
}

/*
 * Calls that were dropped after the last one of their thread that was told, and those whose thread
 * is not known (its message was dropped), which no place can be given.
 */
static void settle_lost(struct follow *f)
{
	for (size_t i = 0; i < f->count && f->strays; i++)
		if (f->tracees[i]->begun) {
			f->tracees[i]->ledger.counts.lost += f->strays;
			f->strays = 0;
		}
	for (unsigned i = 0; i < TIDS_BUCKETS; i++)
		for (struct tracee_thread *t = f->tids.buckets[i]; t; t = t->next) {
			uint32_t count = tracer_lost_of(f->tracer, t->tid);

			if (count)
				take_lost(f, t, count);
		}
}

/* Keeps the live line up to date. */
static void show(struct follow *f, uint64_t now)
{
	struct ticker *ticker = &f->recording->ticker;
	struct ticker_figures figures;

	if (!ticker_due(ticker, now - f->start_ns))
		return;
	figures = recording_figures(f->recording);
	for (size_t i = 0; i < f->count; i++)
		if (f->tracees[i]->begun)
			ticker_add(&figures, &f->tracees[i]->ledger, f->tracees[i]->threads);
	ticker_show(ticker, &figures, now - f->start_ns);
}

void follow_run(struct follow *f)
{
	uint64_t checked = monotonic_ns();
	const char *reason;

	while (f->count && !atomic_load(&f->stop)) {
		int status = tracer_read(f->tracer, READ_MS, take, f);
		uint64_t now = monotonic_ns();

		if (status == 0 && now - checked > CHECK_NS) {
			checked = now;
			look_after(f);
		}
		check_sizes(f);
		show(f, now);
	}
	tracer_stop(f->tracer);
	while (tracer_read(f->tracer, 0, take, f) == -EAGAIN)
		;
	settle_lost(f);
	reason = f->full ? "max-size" : "detached";
	while (f->count)
		end(f, f->tracees[f->count - 1], false, reason);
	recording_close(f->recording);
}

void follow_close(struct follow *f)
{
	stacks_fini(&f->stacks);
	tracer_close(f->tracer);
	codefiles_fini(&f->files);
	free(f->tracees);
}
