#include "messages.h"

#include "threadstack.h"

#include "recorder/session.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>

#define COARSE_NS     (1u << 17) /* a power of two */
#define TAKEN_AT_ONCE 65536

/* A process of whose beginning, or parent, there was no room to tell. */
static struct tracee *take_orphan(struct tracees *all, pid_t pid)
{
	struct tracee *t = tracees_make(all, pid);

	if (t) {
		tracee_identify(t);
		tracees_map_all(all, t);
	}
	return t;
}

/* One more thread of a process, which may run in the memory of another's. */
static void take_thread(struct tracees *all, const struct ring_thread *m)
{
	struct tracee_thread *maker, *host, *thread;
	struct tracee *t;

	/* One of that number has ended untold, who may have been the host. */
	tids_remove(&all->tids, m->head.tid);
	maker = tids_find(&all->tids, m->parent);
	host = maker && maker->pid == m->pid ? maker->host : NULL;
	t = host ? host->tracee : tracees_find(all, m->pid);
	if (!t) {
		t = take_orphan(all, (pid_t)m->pid);
		if (t)
			t->orphan = true;
	}
	thread = t ? tids_add(&all->tids, m->head.tid, m->pid, t) : NULL;
	if (!thread)
		return;
	thread->stack_begin = thread->told_begin = m->stack_begin;
	if (!m->stack_begin && !m->parent && m->thread_pointer)
		thread->stack_begin = threadstack_begin((pid_t)m->head.tid, m->thread_pointer);
	memcpy(thread->name, m->name, sizeof(thread->name) - 1);
	if (host) {
		thread->host = host;
		host->guests++;
	}
}

/* A process begins with its first thread, unless others were told of before. */
static struct tracee *take_process(struct tracees *all, pid_t pid, const struct tracee *parent)
{
	struct tracee *t = tracees_find(all, (uint32_t)pid);

	if (t && t->orphan) {
		t->orphan = false;
		return t;
	}
	/* Of the end of the one that had this number before there was no room to tell. */
	if (t)
		tracees_end(all, t, false, NULL);
	return parent ? tracees_fork(all, parent, pid) : take_orphan(all, pid);
}

static void take_fork(struct tracees *all, const struct ring_thread *m)
{
	struct tracee_thread *parent, *child;
	struct tracee *t;
	bool shared;

	tids_remove(&all->tids, m->head.tid);
	parent = tids_find(&all->tids, m->parent);
	shared = parent && m->head.flags & RING_SHARED;
	if (parent && parent->host)
		parent = parent->host;
	t = shared ? parent->tracee
		   : take_process(all, (pid_t)m->pid, parent ? parent->tracee : NULL);
	child = t ? tids_add(&all->tids, m->head.tid, m->pid, t) : NULL;
	if (!child)
		return;
	child->stack_begin = child->told_begin = m->stack_begin;
	memcpy(child->name, m->name, sizeof(child->name) - 1);
	if (shared) {
		child->host = parent;
		parent->guests++;
	}
}

static void take_lost(struct tracees *all, struct tracee_thread *thread, uint64_t count)
{
	tracees_lost(all, thread->tracee, thread->host ? thread->host : thread, count);
}

/* What a thread dropped, of which hakrec may not know. */
static void take_last_lost(struct tracees *all, uint32_t tid, uint32_t pid, uint64_t count)
{
	struct tracee_thread *thread = tids_find(&all->tids, tid);
	struct tracee *t = tracees_find(all, pid);

	if (thread && count)
		take_lost(all, thread, count);
	else if (t && count)
		tracees_lost(all, t, NULL, count);
}

static void take_exec(struct tracees *all, const struct ring_exec *m)
{
	struct tracee *old = tracees_find(all, m->pid), *t;
	struct tracee_thread *thread;
	uint32_t image = old ? old->image : 0;
	bool first = old && old->first;

	take_last_lost(all, m->old_tid, m->pid, m->lost);
	tids_remove_process(&all->tids, m->pid, NULL);
	if (old)
		image += tracees_end(all, old, true, "exec");
	t = tracees_make(all, (pid_t)m->pid);
	thread = t ? tids_add(&all->tids, m->pid, m->pid, t) : NULL;
	if (thread) {
		t->image = image;
		t->first = first;
		thread->stack_begin = thread->told_begin = m->stack_begin;
		memcpy(thread->name, m->name, sizeof(thread->name) - 1);
		tracee_identify(t);
		tracees_map_all(all, t);
	}
	kill((pid_t)m->pid, SIGCONT);
}

static void take_map(struct tracees *all, const struct ring_map *m)
{
	struct tracee *t = tracees_find(all, m->pid);
	struct codefile *file = codefiles_known(&all->files, m->device, m->inode);

	if (t && file)
		tracee_map(t, file, m->begin, m->end, m->offset);
	else if (t)
		file = tracees_map(all, t, m->begin, m->end, m->offset);
	if (file) {
		file->kernel_device = m->device;
		file->kernel_inode = m->inode;
	}
	if (m->head.flags & RING_STOPPED) {
		tracer_know(all->tracer, m->device, m->inode);
		kill((pid_t)m->pid, SIGCONT);
	}
}

static void take_exit(struct tracees *all, const struct ring_exit *m)
{
	struct tracee_thread *thread = tids_find(&all->tids, m->head.tid);
	struct tracee *t = tracees_find(all, m->pid);

	take_last_lost(all, m->head.tid, m->pid, m->lost);
	if (thread && !thread->host && thread->tracee->begun && !(m->head.flags & RING_GROUP))
		tracee_exit(thread->tracee, thread, m->name, all->clock);
	tids_remove(&all->tids, m->head.tid);
	if (t && m->head.flags & RING_LAST)
		tracees_end(all, t, false, NULL);
}

static void take_call(struct messages *messages, const struct ring_head *m)
{
	struct tracees *all = &messages->tracees;
	struct tracee_thread *thread = tids_find(&all->tids, m->tid);
	struct tracee *t;

	if (__builtin_expect(!thread, 0)) {
		messages->strays++;
		return;
	}
	t = thread->tracee;
	if (__builtin_expect(!t->begun, 0) && !tracees_begin(all, t))
		return;
	if (__builtin_expect(m->lost, 0))
		take_lost(all, thread, m->lost);
	if (__builtin_expect(thread->host != NULL, 0))
		thread = thread->host;
	tracee_call(t, thread, m, all->clock);
	if (__builtin_expect(t->ledger.error, 0))
		atomic_store(&all->stop, true);
}

static void take_stack(struct tracees *all, const struct ring_stack *m, size_t bytes)
{
	struct tracee_thread *thread = tids_find(&all->tids, m->head.tid);

	if (thread && thread->host)
		thread = thread->host;
	if (thread && thread->tracee->begun)
		tracee_stack(thread->tracee, thread, m, bytes);
}

/* Puts a return address back that the kernel had exchanged for its own, or the other way round. */
static void take_raise(const struct ring_raise *m)
{
	struct iovec from = {(void *)(uintptr_t)&m->back, sizeof(m->back)};
	struct iovec to = {(void *)(uintptr_t)m->slot, sizeof(m->back)};

	if (process_vm_writev((pid_t)m->head.tid, &from, 1, &to, 1, 0) < 0)
		warn("process %u: an exception cannot pass", m->pid);
	kill((pid_t)m->pid, SIGCONT);
}

int messages_take(void *context, const struct ring_head *m, size_t bytes)
{
	struct messages *messages = context;
	struct tracees *all = &messages->tracees;
	uint64_t clock = m->time_ns > all->start_ns ? m->time_ns - all->start_ns : 0;

	/* Coarse times repeat, which takes no room in the trace. */
	if (!(all->mode & SESSION_EXACT))
		clock &= ~(uint64_t)(COARSE_NS - 1);
	if (clock > all->clock)
		all->clock = clock;
	if (__builtin_expect(m->kind <= RING_OLD, 1)) {
		take_call(messages, m);
		return ++messages->taken % TAKEN_AT_ONCE ? 0 : -EAGAIN;
	}
	switch (m->kind) {
	case RING_THREAD:
		take_thread(all, (const struct ring_thread *)m);
		break;
	case RING_FORK:
		take_fork(all, (const struct ring_thread *)m);
		break;
	case RING_EXEC:
		take_exec(all, (const struct ring_exec *)m);
		break;
	case RING_MAP:
		take_map(all, (const struct ring_map *)m);
		break;
	case RING_STACK:
		take_stack(all, (const struct ring_stack *)m, bytes);
		break;
	case RING_RAISE:
	case RING_CATCH:
		take_raise((const struct ring_raise *)m);
		break;
	case RING_EXIT:
		take_exit(all, (const struct ring_exit *)m);
		break;
	default:
		break;
	}
	return 0;
}

/*
 * Calls that were dropped after the last one of their thread that was told, and those whose thread
 * is not known.
 */
void messages_settle(struct messages *m)
{
	struct tracees *all = &m->tracees;
	uint32_t tid, count;

	while (tracer_lost_next(all->tracer, &tid, &count)) {
		struct tracee_thread *thread = tids_find(&all->tids, tid);

		if (thread)
			take_lost(all, thread, count);
		else
			m->strays += count;
	}
	for (size_t i = 0; i < all->count && m->strays; i++)
		if (all->all[i]->begun) {
			tracees_lost(all, all->all[i], NULL, m->strays);
			m->strays = 0;
		}
}
