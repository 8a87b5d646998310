/*
 * stepper [threads|fork|_Fork|daemon]: interrupts its own calls at each of their instructions in
 * turn by a signal handler that frees a block and allocates another. Needs an allocator that a
 * handler may call (reuse.c), and a processor with a flag to trap after each instruction. threads:
 * there was another thread before. fork: the handler forks instead, and returns in the child as
 * well, which then makes a call of its own whose size tells the moment. _Fork: without handlers.
 * daemon: that child is its child's. Prints the calls made, the moments at which one was
 * interrupted, and how many children ended well.
 */
#include "say.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#define TRAP_FLAG 0x100
#define ROUNDS    2    /* so many times all moments */
#define DAEMONS   7    /* instructions from one moment to the next: each takes two forks */
#define SERIES    4096 /* moments of one call in one round, at most */

static void *volatile kept; /* the handler's */
static unsigned moment;     /* instructions until the handler does its work */
static unsigned stride = 1; /* from one such moment to the next */
static bool reached;
static bool forks, again, is_child;
static pid_t (*fork_once)(void) = fork;
static uint64_t calls, moments, well;

static bool ended_well(pid_t pid)
{
	int status = -1;

	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static void fork_here(void)
{
	pid_t pid = fork_once();

	is_child = !pid;
	if (is_child && again) {
		pid = fork();
		if (pid)
			_exit(!ended_well(pid));
	}
	well += ended_well(pid);
}

static void handle(int number, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;
	int saved = errno;

	(void)number;
	(void)info;
	if (moment--)
		return;
	reached = true;
	interrupted->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	if (forks) {
		fork_here();
	} else {
		free(kept);
		kept = malloc(40);
		calls += 2;
	}
	errno = saved;
}

#define TRAP_ON()  __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc")
#define TRAP_OFF() __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc")

enum call { MALLOC, REALLOC, FREE };

static void *call(enum call which, void *block)
{
	TRAP_ON();
	if (which == MALLOC)
		block = malloc(16);
	else if (which == REALLOC)
		block = realloc(block, 24);
	else
		free(block);
	TRAP_OFF();
	calls++;
	return block;
}

/* Calls again and again, each interrupted a stride of instructions later. */
static void step_through(enum call which, unsigned series)
{
	unsigned at = 0;

	do {
		void *block = which == MALLOC ? NULL : malloc(8);

		calls += which != MALLOC;
		reached = false;
		moment = at;
		at += stride;
		block = call(which, block);
		if (is_child) {
			free(malloc(series * SERIES + at));
			_exit(0);
		}
		if (which != FREE)
			free(block);
		calls += which != FREE;
		moments += reached;
	} while (reached);
}

static void *rest(void *unused)
{
	return unused;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
	pthread_t thread;

	again = argc > 1 && !strcmp(argv[1], "daemon");
	if (argc > 1 && !strcmp(argv[1], "_Fork"))
		fork_once = _Fork;
	stride = again || fork_once == _Fork ? DAEMONS : 1;
	forks = again || fork_once == _Fork || (argc > 1 && !strcmp(argv[1], "fork"));
	kept = malloc(40);
	calls = 1;
	if (argc > 1 && !forks &&
	    (pthread_create(&thread, NULL, rest, NULL) || pthread_join(thread, NULL)))
		abort();
	sigaction(SIGTRAP, &action, NULL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		step_through(MALLOC, 3 * i);
		step_through(REALLOC, 3 * i + 1);
		step_through(FREE, 3 * i + 2);
	}
	say("calls %ju moments %ju well %ju\n", (uintmax_t)calls, (uintmax_t)moments,
	    (uintmax_t)well);
	return 0;
}
