/*
 * forker: a parent, its child and its grandchild each use blocks that were allocated before the
 * fork. Exit statuses 7, 5 and 3; the parent prints what it saw.
 */
#include "say.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int grandchild(void *b, void *d)
{
	free(b);
	free(d);
	free(malloc(31));
	return 3;
}

static int child(void *a, void *b)
{
	void *d;
	pid_t pid;

	free(a);
	b = realloc(b, 5000);
	d = malloc(77);
	pid = fork();
	if (!pid)
		_exit(grandchild(b, d));
	free(b);
	return status_of(pid) == 3 ? 5 : 1;
}

int main(void)
{
	void *a = malloc(100);
	void *b = malloc(200);
	void *c = calloc(3, 50);
	pid_t pid;

	free(malloc(300));
	pid = fork();
	if (!pid)
		exit(child(a, b));
	say("child status %d\n", status_of(pid));
	free(c);
	return 7;
}
