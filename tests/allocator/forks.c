/*
 * forks MODE: a preloaded allocator and fork.
 *   growing   forks while threads map and unmap segments
 *   handlers  prepare, parent and child handlers that are registered before the allocator's
 * allocate signal    a single thread's signal handler forks in the middle of malloc Each ends with
 * "ok"; a deadlock ends with SIGALRM.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Atomic bool stop;
static _Atomic int forks, calls;

static void fork_once(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(7);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 7 << 8)
		abort();
	forks++;
}

/* A block that the compiler cannot do without. */
static void pass(size_t size)
{
	void *volatile block = malloc(size);

	free(block);
}

static void *grow(void *argument)
{
	void *block[64];

	while (!stop) {
		for (int at = 0; at < 64; at++)
			block[at] = malloc(1900000);
		for (int at = 0; at < 64; at++)
			free(block[at]);
		malloc_trim(0);
	}
	return argument;
}

static void growing(void)
{
	pthread_t thread[3];

	for (int at = 0; at < 3; at++)
		pthread_create(&thread[at], NULL, grow, NULL);
	while (forks < 200)
		fork_once();
	stop = true;
	for (int at = 0; at < 3; at++)
		pthread_join(thread[at], NULL);
}

/* Every kind of block, so that every lock is wanted. */
static void handler(void)
{
	calls++;
	for (size_t size = 1; size < 20 << 20; size += size / 8 + 1)
		pass(size);
	malloc_trim(0);
}

static void before_all(int count, char **arguments, char **environment)
{
	(void)environment;
	if (count > 1 && strcmp(arguments[1], "handlers") == 0)
		pthread_atfork(handler, handler, handler);
}

/* Before the constructors of any library. */
__attribute__((section(".preinit_array"), used)) static void (*const early)(int, char **,
									    char **) = before_all;

static void handled(void)
{
	pthread_t thread;

	fork_once();
	pthread_create(&thread, NULL, grow, NULL);
	while (forks < 20)
		fork_once();
	stop = true;
	pthread_join(thread, NULL);
	if (calls != 40)
		abort();
}

static void on_signal(int number)
{
	(void)number;
	fork_once();
}

static void signalled(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec often = {{0, 1000000}, {0, 1000000}};
	timer_t timer;

	sigaction(SIGUSR1, &action, NULL);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
		abort();
	timer_settime(timer, 0, &often, NULL);
	while (forks < 500) {
		pass(3 << 20);
		pass(20 << 20);
	}
	timer_delete(timer);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	alarm(30);
	if (strcmp(mode, "growing") == 0)
		growing();
	else if (strcmp(mode, "handlers") == 0)
		handled();
	else if (strcmp(mode, "signal") == 0)
		signalled();
	else
		return 2;
	puts("ok");
	return 0;
}
