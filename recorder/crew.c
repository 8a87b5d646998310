#include "crew.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS_MAX 100000000u

void crew_fini(struct crew *c)
{
	free(c->all);
	*c = (struct crew){0};
}

static struct crew_thread *thread_at(struct crew *c, uint32_t index)
{
	uint32_t room = c->room ? c->room : 16;
	struct crew_thread *all;

	if (index >= THREADS_MAX)
		return NULL;
	while (room <= index)
		room *= 2;
	if (room != c->room) {
		all = realloc(c->all, room * sizeof(*all));
		if (!all)
			return NULL;
		c->all = all;
		c->room = room;
	}
	for (; c->count <= index; c->count++)
		c->all[c->count] = (struct crew_thread){0};
	return c->all + index;
}

/* The thread's name now; false when it is gone. */
static bool read_name(pid_t pid, uint64_t tid, char name[16])
{
	char path[64];
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", (int)pid, (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bytes = read(fd, name, 15);
	close(fd);
	if (bytes <= 0)
		return false;
	name[bytes - (name[bytes - 1] == '\n')] = 0;
	return true;
}

static struct trace_thread definition(const struct crew_thread *t)
{
	return (struct trace_thread){t->tid, t->name, t->start_ns, TRACE_NONE};
}

int crew_begin(struct crew *c, struct ledger *l, pid_t pid, uint32_t index, uint64_t tid,
	       uint64_t clock)
{
	struct crew_thread *t = thread_at(c, index);
	struct trace_thread thread;
	int64_t number;

	if (!t)
		return -ENOMEM;
	if (t->begun) {
		c->late += t->exiting;
		return 0;
	}
	*t = (struct crew_thread){.tid = tid, .begun = true};
	c->unnamed++;
	if (!read_name(pid, tid, t->name) && c->count > 1)
		memcpy(t->name, c->all[0].name, sizeof(t->name));
	t->start_ns = clock > l->start_clock ? clock - l->start_clock : 0;
	thread = definition(t);
	number = trace_writer_thread(l->writer, &thread);
	if (number < 0)
		return (int)number;
	t->number = (uint32_t)number;
	return 1;
}

/* Its name is not looked up any more. */
static void settle_name(struct crew *c, struct crew_thread *t)
{
	c->unnamed -= !t->looked;
	t->looked = true;
}

static void write_exit(struct crew *c, struct ledger *l, struct crew_thread *t)
{
	struct trace_thread thread = definition(t);

	t->exited = true;
	c->exiting--;
	ledger_mark(l, TRACE_THREAD_EXIT,
		    t->exit_clock < l->last_ns + l->start_clock ? l->last_ns + l->start_clock
								: t->exit_clock,
		    t->number, 0);
	thread.exit_ns = l->last_ns;
	if (!l->error)
		l->error = trace_writer_thread_update(l->writer, t->number, &thread);
}

static bool dead(pid_t pid, uint64_t tid)
{
	return syscall(SYS_tgkill, pid, (pid_t)tid, 0) != 0 && errno == ESRCH;
}

void crew_exit(struct crew *c, struct ledger *l, pid_t pid, uint32_t index, uint64_t clock,
	       uint64_t late, uint64_t round)
{
	struct crew_thread *t = index < c->count ? c->all + index : NULL;

	if (!t || !t->begun || t->exited)
		return;
	if (!t->exiting) {
		t->exiting = true;
		c->exiting++;
		settle_name(c, t);
	}
	t->exit_clock = clock;
	if (!dead(pid, t->tid)) {
		read_name(pid, t->tid, t->name);
		return;
	}
	t->exit_round = round;
	if (late == c->late)
		write_exit(c, l, t);
}

void crew_settle(struct crew *c, struct ledger *l, pid_t pid, uint64_t round)
{
	for (uint32_t i = 0; i < c->count && c->exiting; i++) {
		struct crew_thread *t = c->all + i;

		if (!t->exiting || t->exited)
			continue;
		if (!t->exit_round && dead(pid, t->tid))
			t->exit_round = round;
		else if (t->exit_round && t->exit_round + 2 <= round)
			write_exit(c, l, t);
	}
}

void crew_end(struct crew *c, struct ledger *l)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (c->all[i].exiting && !c->all[i].exited)
			write_exit(c, l, c->all + i);
}

void crew_name(struct crew *c, struct ledger *l, pid_t pid)
{
	for (uint32_t i = 0; i < c->count && c->unnamed; i++) {
		struct crew_thread *t = c->all + i;
		char name[16];
		struct trace_thread thread;

		if (!t->begun || t->looked)
			continue;
		settle_name(c, t);
		if (!read_name(pid, t->tid, name) || !strcmp(name, t->name))
			continue;
		memcpy(t->name, name, sizeof(name));
		thread = definition(t);
		if (!l->error)
			l->error = trace_writer_thread_update(l->writer, t->number, &thread);
	}
}
