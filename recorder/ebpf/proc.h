/* What a process that is followed runs, as /proc tells it. */
#ifndef RECORDER_PROC_H
#define RECORDER_PROC_H

#include <sys/types.h>

/* Texts are the caller's to free. */
struct proc {
	pid_t parent_pid; /* 0: not known */
	char *program;    /* path of the executable; NULL: not known */
	char *command;    /* arguments, as a shell would read them; NULL: not known */
};

void proc_read(struct proc *proc, pid_t pid);

/*
 * A thread of the process under whose number /proc shows its memory: the first one, unless that has
 * ended before the others.
 */
pid_t proc_alive(pid_t pid);

/* The process that a thread is of, which may be its own number; 0: there is no such thread. */
pid_t proc_process(pid_t tid);

/* Says why a program in which no allocator was found leaves no trace. */
void proc_explain(const char *program);

#endif
