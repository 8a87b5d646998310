/* misuse CASE: does one wrong thing with malloc's blocks, for a preloaded allocator to report.
 * handled-CASE: with a handler of SIGABRT that allocates. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So that the compiler sees nothing wrong. */
static void (*volatile release)(void *) = free;
static void *(*volatile resize)(void *, size_t) = realloc;
static void *(*volatile obtain)(size_t) = malloc;
static int outside[4];

static void double_free(size_t size)
{
	void *volatile ptr = malloc(size);

	release(ptr);
	release(ptr);
}

/* Others between the two frees: the second one is noticed when the thread cache is emptied. */
static void late_double_free(void)
{
	void *block[6000];
	void *volatile ptr;

	for (int at = 0; at < 6000; at++)
		block[at] = malloc(100);
	ptr = block[7];
	for (int at = 0; at < 6000; at++)
		release(block[at]);
	release(ptr);
	for (int at = 0; at < 6000; at++)
		block[at] = malloc(100);
	for (int at = 0; at < 6000; at++)
		release(block[at]);
}

static void *released_twice;
static pthread_barrier_t both;

static void *release_it(void *argument)
{
	pthread_barrier_wait(&both);
	release(released_twice);
	return argument;
}

/* Two threads free one block at the same time. */
static void racing_double_free(size_t size)
{
	pthread_t thread;

	released_twice = obtain(size);
	pthread_barrier_init(&both, NULL, 2);
	if (pthread_create(&thread, NULL, release_it, NULL))
		exit(2);
	release_it(NULL);
	pthread_join(thread, NULL);
}

/* What a program's handler of SIGABRT may do, whatever the allocator was in the middle of. */
static void on_abort(int number)
{
	(void)number;
	for (size_t size = 16; size < 16 << 20; size *= 2)
		release(obtain(size));
}

static void inside(size_t size, size_t offset)
{
	char *volatile block[2000];

	for (int at = 0; at < 2000; at++)
		block[at] = malloc(size);
	release(block[1000] + offset);
	for (int at = 0; at < 2000; at++)
		if (at != 1000)
			release(block[at]);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	int local[4] = {0};
	void *volatile ptr = local;

	if (strncmp(name, "handled-", 8) == 0) {
		signal(SIGABRT, on_abort);
		name += 8;
	}
	if (strcmp(name, "double-tiny") == 0)
		double_free(40);
	else if (strcmp(name, "double-mid") == 0)
		double_free(5000);
	else if (strcmp(name, "double-large") == 0)
		double_free(300000);
	else if (strcmp(name, "double-whale") == 0)
		double_free(5 << 20);
	else if (strcmp(name, "racing-stretch") == 0)
		racing_double_free(5 << 20);
	else if (strcmp(name, "racing-whale") == 0)
		racing_double_free(50 << 20);
	else if (strcmp(name, "double-late") == 0)
		late_double_free();
	else if (strcmp(name, "stack") == 0)
		release(ptr);
	else if (strcmp(name, "static") == 0)
		release(ptr = outside);
	else if (strcmp(name, "wild") == 0)
		release(ptr = (void *)(uintptr_t)0x123456780);
	else if (strcmp(name, "realloc-stack") == 0)
		ptr = resize(ptr, 100);
	else if (strcmp(name, "inside-tiny") == 0)
		inside(100, 16);
	else if (strcmp(name, "inside-large") == 0)
		inside(100000, 64);
	else if (strcmp(name, "realloc-inside-large") == 0)
		ptr = resize((char *)obtain(100000) + 64, 100);
	else if (strcmp(name, "realloc-inside-whale") == 0)
		ptr = resize((char *)obtain(5 << 20) + 16, 100);
	else
		return 2;
	puts("survived");
	return 0;
}
