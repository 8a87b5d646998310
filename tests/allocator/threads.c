/*
 * threads MODE: what a preloaded allocator has to survive besides allocating.
 *   destructors  a thread whose key destructors allocate and free, after the allocator's own end
 *   many         400 threads at once, each with a few blocks, half of them freed by another thread
 *   fork         a program with busy threads forks 50 times; children allocate, thread and exit
 *   closed       closes the standard streams early, then allocates and exits with 0
 *   private      16 threads that each replace their own blocks
 *   remote       64 threads that each free what their neighbour allocated
 *   signal       allocates while signal handlers run that only use what POSIX allows
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_key_t keys[20];
static _Atomic bool stop;
static _Atomic int signals;

static void key_end(void *value)
{
	void *other = malloc(200);

	free(value);
	memset(other, 1, 200);
	free(other);
	free(malloc(100000));
}

static void *with_keys(void *argument)
{
	for (int at = 0; at < 20; at++)
		pthread_setspecific(keys[at], malloc(64 + at));
	return argument;
}

static void destructors(void)
{
	for (int at = 0; at < 20; at++)
		pthread_key_create(&keys[at], key_end);
	for (int round = 0; round < 200; round++) {
		pthread_t thread;

		pthread_create(&thread, NULL, with_keys, NULL);
		pthread_join(thread, NULL);
	}
}

static void *letters[400];

static void *few_blocks(void *argument)
{
	char **letter = argument;

	for (int at = 0; at < 100; at++)
		free(malloc((size_t)at * 50));
	*letter = strdup("a letter");
	return NULL;
}

static void many(void)
{
	pthread_t thread[400];

	for (int at = 0; at < 400; at++)
		if (pthread_create(&thread[at], NULL, few_blocks, &letters[at]))
			abort();
	for (int at = 0; at < 400; at++) {
		pthread_join(thread[at], NULL);
		if (strcmp(letters[at], "a letter") != 0)
			abort();
		free(letters[at]);
	}
}

/* Replaces blocks of its own: 1,000 of them alive, of all sizes up to 1 KiB. */
static void *alone(void *argument)
{
	static __thread void *block[1000];

	for (unsigned at = 0; at < 1000000; at++) {
		free(block[at % 1000]);
		block[at % 1000] = malloc((at * 7919) % 1000);
	}
	for (int at = 0; at < 1000; at++)
		free(block[at]);
	return argument;
}

static pthread_barrier_t together;
static void *handed[64][1000];

/* Fills its row, and empties its neighbour's. */
static void *neighbour(void *argument)
{
	void **own = argument, **next = handed[((own - handed[0]) / 1000 + 1) % 64];

	for (int round = 0; round < 10; round++) {
		for (int at = 0; at < 1000; at++)
			own[at] = malloc(at % 100 ? 48 : 3000 * (size_t)(at / 100 + 1));
		pthread_barrier_wait(&together);
		for (int at = 0; at < 1000; at++)
			free(next[at]);
		pthread_barrier_wait(&together);
	}
	return NULL;
}

static void threads_run(int count, void *(*body)(void *))
{
	pthread_t thread[64];

	pthread_barrier_init(&together, NULL, (unsigned)count);
	for (int at = 0; at < count; at++)
		if (pthread_create(&thread[at], NULL, body, handed[at]))
			abort();
	for (int at = 0; at < count; at++)
		pthread_join(thread[at], NULL);
}

static void *busy(void *argument)
{
	void *block[50] = {NULL};

	for (unsigned at = 0; !stop; at++) {
		free(block[at % 50]);
		block[at % 50] = malloc((at * 7919) % 3000);
	}
	for (int at = 0; at < 50; at++)
		free(block[at]);
	return argument;
}

static void child(void)
{
	pthread_t thread;
	char *letter = NULL;

	for (int at = 0; at < 1000; at++)
		free(malloc((size_t)at * 100));
	pthread_create(&thread, NULL, few_blocks, &letter);
	pthread_join(thread, NULL);
	free(letter);
	_exit(7);
}

static void forking(void)
{
	pthread_t thread[3];

	for (int at = 0; at < 3; at++)
		pthread_create(&thread[at], NULL, busy, NULL);
	for (int round = 0; round < 50; round++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			child();
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 7)
			abort();
	}
	stop = true;
	for (int at = 0; at < 3; at++)
		pthread_join(thread[at], NULL);
}

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static void signalled(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	pthread_t thread;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	pthread_create(&thread, NULL, busy, NULL);
	while (signals < 200)
		free(malloc(3 << 20));
	stop = true;
	pthread_join(thread, NULL);
	setitimer(ITIMER_REAL, &never, NULL);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	if (strcmp(mode, "destructors") == 0)
		destructors();
	else if (strcmp(mode, "many") == 0)
		many();
	else if (strcmp(mode, "fork") == 0)
		forking();
	else if (strcmp(mode, "signal") == 0)
		signalled();
	else if (strcmp(mode, "private") == 0)
		threads_run(16, alone);
	else if (strcmp(mode, "remote") == 0)
		threads_run(64, neighbour);
	else if (strcmp(mode, "closed") != 0)
		return 2;
	if (strcmp(mode, "closed") != 0) {
		puts("ok");
		return 0;
	}
	close(0);
	close(1);
	close(2);
	free(malloc(100));
	free(malloc(10 << 20));
	return 0;
}
