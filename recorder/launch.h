/* Running the program: with the library preloaded, its signals and its end passed on. */
#ifndef RECORDER_LAUNCH_H
#define RECORDER_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

struct launch {
	pid_t pid;
	int status; /* as waitpid() tells, when ended */
	bool ended;
	bool own_stops; /* hakrec itself stops the program and lets it go on */
	int go;         /* written to let the program begin */
};

/*
 * Blocks the signals that launch_wait() passes on, becomes the reaper of orphans, and makes the
 * process, which waits before it becomes the program. library NULL: nothing is preloaded. Returns 0
 * or a negative errno.
 */
int launch_prepare(struct launch *l, char **command, const char *path, const char *library,
		   const char *session_path);

/* Lets the program begin. Returns 0, or the negative errno with which execve() failed. */
int launch_begin(struct launch *l);

/* Waits until the program or an orphan of it ends, or hakrec is told to. False: a second Ctrl-C. */
bool launch_wait(struct launch *l);

/* Ends this process the way the program ended. */
_Noreturn void launch_mirror(const struct launch *l);

#endif
