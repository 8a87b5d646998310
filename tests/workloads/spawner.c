/*
 * spawner vfork|posix_spawn|system|popen|clone|leaf: starts itself as "leaf" in one of the ways a
 * program can, with calls before and after, and prints how the leaf ended. The leaf makes 5 calls
 * and exits with status 4. "vfork" first fails to execute a file that is not there.
 */
#include "say.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char path[4096];
static char leaf_name[] = "leaf";
static char *leaf_argv[] = {path, leaf_name, NULL};

static int leaf(void)
{
	void *kept = malloc(41);
	int i;

	for (i = 0; i < 2; i++) {
		void *volatile block = malloc(42);

		free(block);
	}
	return kept ? 4 : 1;
}

static pid_t start_vfork(void)
{
	int status;
	pid_t pid = vfork();

	if (!pid) {
		execl("/nowhere/to/be/found", "found", (char *)NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) != 99)
		return -1;
	pid = vfork();
	if (!pid) {
		execv(path, leaf_argv);
		_exit(127);
	}
	return pid;
}

static int execute(void *argument)
{
	(void)argument;
	execv(path, leaf_argv);
	return 127;
}

static pid_t start_clone(void)
{
	static char stack[65536] __attribute__((aligned(16)));

	return clone(execute, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
}

static int run(const char *how)
{
	char command[4200];
	pid_t pid = -1;
	int status = -1;
	FILE *pipe;

	snprintf(command, sizeof(command), "'%s' leaf", path);
	if (!strcmp(how, "vfork")) {
		pid = start_vfork();
	} else if (!strcmp(how, "clone")) {
		pid = start_clone();
	} else if (!strcmp(how, "posix_spawn")) {
		if (posix_spawn(&pid, path, NULL, NULL, leaf_argv, environ))
			return -1;
	} else if (!strcmp(how, "system")) {
		return system(command);
	} else if (!strcmp(how, "popen")) {
		pipe = popen(command, "r");
		return pipe ? pclose(pipe) : -1;
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	void *volatile block;
	ssize_t length;
	int status;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "leaf"))
		return leaf();
	length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (length < 0)
		return 1;
	block = malloc(51);
	status = run(argv[1]);
	free(block);
	block = malloc(52);
	free(block);
	say("%s %d\n", WIFEXITED(status) ? "status" : "raw",
	    WIFEXITED(status) ? WEXITSTATUS(status) : status);
	return 0;
}
