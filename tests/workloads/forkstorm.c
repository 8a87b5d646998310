/*
 * forkstorm FORKS: the main thread forks while two others allocate and free without a pause. Each
 * child makes 100 calls and frees one block of the parent's. Prints the children that ended well.
 */
#include "say.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_bool stop;

static void *work(void *argument)
{
	void *volatile kept[64] = {0};
	unsigned i;

	for (i = 0; !stop; i = (i + 1) % 64) {
		free(kept[i]);
		kept[i] = malloc((size_t)argument + i);
	}
	for (i = 0; i < 64; i++)
		free(kept[i]);
	return NULL;
}

static void child(void *inherited)
{
	unsigned i;

	for (i = 0; i < 50; i++) {
		void *volatile block = malloc(i + 1);

		free(block);
	}
	free(inherited);
	_exit(0);
}

int main(int argc, char **argv)
{
	int forks = argc > 1 ? atoi(argv[1]) : 10;
	void *inherited = malloc(12345);
	pthread_t threads[2];
	int well = 0;
	int i;

	for (i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(size_t)(100 * (i + 1))))
			abort();
	for (i = 0; i < forks; i++) {
		pid_t pid = fork();
		int status = -1;

		if (!pid)
			child(inherited);
		waitpid(pid, &status, 0);
		well += status == 0;
	}
	stop = true;
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	free(inherited);
	say("children %d\n", well);
	return 0;
}
