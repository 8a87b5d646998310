/* Running the program: with the library preloaded, its signals and its end passed on. */
#ifndef RECORDER_LAUNCH_H
#define RECORDER_LAUNCH_H

#include "ticker.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

struct launch {
	pid_t pid;
	int status; /* as waitpid() tells, when ended */
	bool ended;
	bool alone;            /* nor is any of its children left, or theirs */
	bool stopped;          /* by a signal */
	struct ticker *ticker; /* gives the terminal back while hakrec is stopped */
	int go;                /* written to let the program begin */
};

/*
 * Blocks the signals that launch_wait() passes on, becomes the reaper of orphans, and makes the
 * process, which waits before it becomes the program. library NULL: nothing is preloaded. Returns 0
 * or a negative errno.
 */
int launch_prepare(struct launch *l, char **command, const char *path, const char *library,
		   const char *session_name);

/* Lets the program begin. Returns 0, or the negative errno with which execve() failed. */
int launch_begin(struct launch *l);

/*
 * Waits for the end of the program or of an orphan of it, or a signal to pass on, or launch_wake().
 * When the job is stopped from the terminal stops too, and lets the program go on with itself.
 * Returns the number of the signal when the program has ended and hakrec was told to end, else 0.
 */
int launch_wait(struct launch *l);

/* Ends a launch_wait() of the thread, from another thread. */
void launch_wake(pthread_t thread);

/* Ends this process the way the program ended. */
_Noreturn void launch_mirror(const struct launch *l);

#endif
