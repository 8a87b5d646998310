/*
 * renew CALLS [CHILDREN]: sleeps for a second, forks children one after another, and has a second
 * thread make so many calls and execute the program again: its new image sleeps for a second and
 * makes as many.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void call(const char *calls)
{
	for (long i = 0; i < atol(calls) / 2; i++) {
		void *volatile block = malloc(32);

		free(block);
	}
}

static void *renew(void *calls)
{
	call(calls);
	execl("/proc/self/exe", "renew", calls, "0", "again", (char *)NULL);
	abort();
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 2)
		return 2;
	sleep(1);
	if (argc > 3) {
		call(argv[1]);
		return 0;
	}
	for (long i = 0; argc > 2 && i < atol(argv[2]); i++) {
		pid_t pid = fork();

		if (pid < 0)
			abort();
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	if (pthread_create(&thread, NULL, renew, argv[1]))
		abort();
	pthread_join(thread, NULL);
	return 1;
}
