#include "fork.h"

#include <unistd.h>

/* While the thread forks; forking: the number reserved for the child, plus one. */
static __thread uint32_t forking __attribute__((tls_model("initial-exec")));
static __thread uint32_t fork_sites __attribute__((tls_model("initial-exec")));

static uint32_t child = SESSION_NONE; /* this process's number, when it was forked */

/* Reserves a number for the process that this thread forks: forking, less one. */
static void reserve(struct pen *p)
{
	struct session *s = member.session;
	uint32_t number = session_take_process(s);
	struct session_process *process;

	if (number == SESSION_NONE)
		return;
	process = session_process(s, number);
	process->parent = member.number;
	atomic_store(&process->pid, 0);
	atomic_store(&process->announced, 1);
	atomic_store(&process->state, PROCESS_RESERVED);
	forking = number + 1;
	p->frame = PEN_FRAME;
	pen_tell_between(p, RECORD_FORK, number);
	p->frame = PEN_READY;
}

void fork_announce(struct pen *p)
{
	forking = 0;
	/* No lock is held over the fork: the C library takes some of its own, under which other
	 * threads make calls. */
	fork_sites = callsite_told();
	if (p && !(member.session->mode & SESSION_ALONE))
		reserve(p);
}

void fork_arrive(void)
{
	child = forking - 1;
	if (!member.session || member.off)
		child = SESSION_NONE;
	else if (member.session->mode & SESSION_ALONE)
		member.off = true;
	else if (child != SESSION_NONE)
		atomic_store(&session_process(member.session, child)->pid, getpid());
}

struct fork_child fork_take(void)
{
	struct fork_child taken = {child, fork_sites};

	child = SESSION_NONE;
	return taken;
}

void fork_forget(pid_t pid)
{
	if (pid < 0 && forking)
		atomic_store(&session_process(member.session, forking - 1)->state, PROCESS_FREE);
	forking = 0;
}

pid_t fork_by(pid_t (*real_fork)(void))
{
	pid_t pid;

	/* It may fail before it comes to fork_announce(); and the last one may have been the C
	 * library's own, which does not come by here. */
	forking = 0;
	pid = real_fork();
	fork_forget(pid);
	return pid;
}
