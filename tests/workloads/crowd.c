/*
 * crowd CHILDREN CALLS exec|fork: sleeps for a second and forks children one after another, of
 * which there is more to tell than of calls. Then a second thread makes so many calls and executes
 * the program again, whose new image sleeps for a second and makes as many (exec); or a last child
 * has a second thread that does so (fork).
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void call(const char *calls)
{
	for (long i = 0; i < atol(calls) / 2; i++) {
		void *volatile block = malloc(32);

		free(block);
	}
}

static void *execute(void *calls)
{
	call(calls);
	execl("/proc/self/exe", "crowd", "0", calls, "again", (char *)NULL);
	abort();
}

static void *sleep_and_call(void *calls)
{
	sleep(1);
	call(calls);
	return NULL;
}

static void run(void *(*function)(void *), char *calls)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, calls))
		abort();
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	sleep(1);
	for (long i = 0; i < atol(argv[1]); i++) {
		if (!fork())
			_exit(0);
		wait(NULL);
	}
	if (!strcmp(argv[3], "again")) {
		call(argv[2]);
	} else if (!strcmp(argv[3], "exec")) {
		run(execute, argv[2]);
	} else {
		if (!fork()) {
			run(sleep_and_call, argv[2]);
			_exit(0);
		}
		wait(NULL);
	}
	return 0;
}
