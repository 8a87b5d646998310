/*
 * together FORKS: forks children one after another; in each, two threads whose making needs no
 * allocation make the process's first calls at once. Prints the children that ended well.
 */
#include "say.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 2 };

static atomic_int there;

static void meet(void)
{
	atomic_fetch_add(&there, 1);
	while (atomic_load(&there) < THREADS)
		;
}

static void *rest(void *argument)
{
	meet();
	return argument;
}

static void *call(void *argument)
{
	void *volatile block;

	meet();
	block = malloc(24);
	free(block);
	return argument;
}

static void run_threads(void *(*work)(void *))
{
	pthread_t threads[THREADS];

	there = 0;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, NULL))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	int forks = argc > 1 ? atoi(argv[1]) : 10, well = 0;

	/* Their stacks are kept for the children's. */
	run_threads(rest);
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();
		int status = -1;

		if (!pid) {
			run_threads(call);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		well += !status;
	}
	say("%d\n", well);
	return 0;
}
