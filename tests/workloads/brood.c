/*
 * brood CHILDREN CALLS: forks children one after another, each of which forks a child of its own
 * before it makes its calls: each of the two so many. Sleeps for a second first.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void call(long calls)
{
	for (long i = 0; i < calls / 2; i++) {
		void *volatile block = malloc(32);

		free(block);
	}
}

static void child(long calls)
{
	pid_t pid = fork();

	if (pid < 0)
		abort();
	call(calls);
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	_exit(0);
}

int main(int argc, char **argv)
{
	long children = argc > 1 ? atol(argv[1]) : 10, calls = argc > 2 ? atol(argv[2]) : 100;

	sleep(1);
	for (long i = 0; i < children; i++) {
		pid_t pid = fork();

		if (pid < 0)
			abort();
		if (!pid)
			child(calls);
		waitpid(pid, NULL, 0);
	}
	return 0;
}
