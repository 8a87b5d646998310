/*
 * forkers together FORKS: four threads fork at once, each so often; the child frees a
 * block of its thread's, and the thread does after it.
 * forkers handed FORKS: another thread allocates the block, right before the main thread forks.
 * forkers crowd FORKS: so many children that are there at once; each allocates and frees a block.
 * forkers late FORKS: children that wait until all forks are made, and then free a block; forks may
 * fail.
 * forkers flushed FORKS: another thread flushes all streams meanwhile, one of which makes calls
 * from another stack height each time.
 * forkers raw: the kernel is asked for the fork, before the thread has made a call; the child makes
 * one.
 * forkers nested: what is to be done before a fork, and after it in the parent and in the child,
 * forks as well.
 * forkers hidden: the C library forks by itself, and a fork after it may fail before the child of
 * that frees a block.
 * forkers denied: the fork fails.
 * Prints what came of it.
 */
#include "say.h"

#include <alloca.h>
#include <errno.h>
#include <pthread.h>
#include <pty.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BLOCK_BYTES 777
#define HEIGHTS     4000
#define THREADS     4

static _Atomic unsigned well;
static void *_Atomic given;
static atomic_bool wanted, stop;

/* The child frees the block, and calls no more. */
static void fork_with(void *block)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		free(block);
		_exit(0);
	}
	if (pid > 0 && waitpid(pid, &status, 0) == pid && !status)
		well++;
	free(block);
}

static void *fork_often(void *forks)
{
	for (intptr_t i = 0; i < (intptr_t)forks; i++)
		fork_with(malloc(BLOCK_BYTES));
	return NULL;
}

static void together(int forks)
{
	pthread_t all[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&all[i], NULL, fork_often, (void *)(intptr_t)forks))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(all[i], NULL);
}

static void *hand_out(void *unused)
{
	while (!stop)
		if (wanted) {
			wanted = false;
			given = malloc(BLOCK_BYTES);
		}
	return unused;
}

static void handed(int forks)
{
	pthread_t other;

	if (pthread_create(&other, NULL, hand_out, NULL))
		abort();
	for (int i = 0; i < forks; i++) {
		given = NULL;
		wanted = true;
		while (!given)
			;
		fork_with(given);
	}
	stop = true;
	pthread_join(other, NULL);
}

static ssize_t take_all(void *cookie, const char *text, size_t bytes)
{
	static unsigned height;
	volatile char *frame = alloca(++height % HEIGHTS * 16);
	void *volatile block = malloc(10);

	(void)cookie;
	(void)text;
	*frame = 0;
	free(block);
	return (ssize_t)bytes;
}

static void *flush_often(void *unused)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = take_all});

	while (stream && !stop) {
		fputc(0, stream);
		fflush(NULL);
	}
	return unused;
}

static void flushed(int forks)
{
	pthread_t other;

	if (pthread_create(&other, NULL, flush_often, NULL))
		abort();
	for (int i = 0; i < forks; i++)
		fork_with(malloc(BLOCK_BYTES));
	stop = true;
	pthread_join(other, NULL);
}

static void raw(void)
{
	pid_t pid = (pid_t)syscall(SYS_fork);
	void *volatile block;
	int status = -1;

	if (!pid) {
		block = malloc(BLOCK_BYTES);
		free(block);
		_exit(0);
	}
	well = waitpid(pid, &status, 0) == pid && !status;
}

/* Each child says that it has called, and ends when its parent, told by all, lets go of a pipe. */
static void crowd(int forks)
{
	void *volatile block;
	int said[2], end[2], status;
	char byte = 0;

	if (pipe(said) || pipe(end))
		abort();
	for (int i = 0; i < forks; i++) {
		if (fork())
			continue;
		close(end[1]);
		block = malloc(BLOCK_BYTES);
		free(block);
		_exit(write(said[1], &byte, 1) != 1 || read(end[0], &byte, 1) != 0);
	}
	for (int i = 0; i < forks; i++)
		if (read(said[0], &byte, 1) != 1)
			abort();
	close(end[1]);
	while (wait(&status) > 0)
		well += !status;
}

static void late(int forks)
{
	void *volatile block = malloc(BLOCK_BYTES);
	int end[2], status;
	char byte;

	if (pipe(end))
		abort();
	for (int i = 0; i < forks; i++) {
		if (fork()) {
			usleep(10000); /* hakrec looks meanwhile */
			continue;
		}
		close(end[1]);
		status = read(end[0], &byte, 1) != 0;
		free(block);
		_exit(status);
	}
	close(end[1]);
	while (wait(&status) > 0)
		well += !status;
	free(block);
}

static void hidden(void)
{
	void *volatile block = malloc(BLOCK_BYTES);
	int end[2], status, terminal;
	char byte;
	pid_t pid;

	if (pipe(end))
		abort();
	fork_with(malloc(BLOCK_BYTES));
	pid = forkpty(&terminal, NULL, NULL, NULL);
	if (pid < 0)
		exit(77);
	if (!pid) {
		close(end[1]);
		status = read(end[0], &byte, 1) != 0;
		free(block);
		_exit(status);
	}
	if (!fork())
		_exit(0);
	usleep(100000); /* hakrec looks meanwhile */
	close(end[1]);
	well += waitpid(pid, &status, 0) == pid && !status;
	free(block);
}

static void fork_aside(void)
{
	static bool inside;

	if (inside)
		return;
	inside = true;
	fork_with(malloc(BLOCK_BYTES));
	inside = false;
}

static void nested(void)
{
	if (pthread_atfork(fork_aside, fork_aside, fork_aside))
		abort();
	fork_with(malloc(BLOCK_BYTES));
}

/* Root is not bound by the limit, nobody is. */
static void denied(void)
{
	struct rlimit none = {0, 0};
	void *volatile block = malloc(BLOCK_BYTES);

	if (setrlimit(RLIMIT_NPROC, &none) != 0 || (geteuid() == 0 && setuid(65534) != 0))
		exit(77);
	if (fork() != -1 || errno != EAGAIN)
		exit(77);
	free(block);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "together"))
		together(atoi(argv[2]));
	else if (argc == 3 && !strcmp(argv[1], "handed"))
		handed(atoi(argv[2]));
	else if (argc == 3 && !strcmp(argv[1], "crowd"))
		crowd(atoi(argv[2]));
	else if (argc == 3 && !strcmp(argv[1], "late"))
		late(atoi(argv[2]));
	else if (argc == 3 && !strcmp(argv[1], "flushed"))
		flushed(atoi(argv[2]));
	else if (argc == 2 && !strcmp(argv[1], "raw"))
		raw();
	else if (argc == 2 && !strcmp(argv[1], "nested"))
		nested();
	else if (argc == 2 && !strcmp(argv[1], "hidden"))
		hidden();
	else
		denied();
	say("%u children\n", well);
	return 0;
}
