/*
 * toucher [exit]: large blocks whose resident pages are known, each of them in pages of its own.
 * One is written to in part and freed, one grows by realloc, one is freed by another thread after a
 * realloc of it failed, one is left; small blocks come between. exit: ends by _exit().
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { PAGE = 4096, MIB = 1 << 20 };

static volatile size_t impossible = SIZE_MAX / 2;

static char *obtain(size_t size, int pages)
{
	char *block = malloc(size);

	for (int i = 0; block && i < pages; i++)
		((volatile char *)block)[i * PAGE] = 1;
	return block;
}

static void *release(void *block)
{
	free(block);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char *block;

	(void)argv;
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	free(obtain(MIB, 100));
	free(obtain(MIB - 1, 0));
	free(obtain(100000, 20));
	block = obtain(MIB + 1, 30);
	block = realloc(block, (size_t)8 * MIB);
	memset(block + MIB, 1, MIB);
	free(block);
	free(obtain(100, 0));
	block = obtain(MIB + 2, 7);
	if (realloc(block, impossible) || pthread_create(&thread, NULL, release, block))
		return 1;
	pthread_join(thread, NULL);
	block = obtain(MIB + 3, 50);
	if (argc > 1)
		_exit(!block);
	return !block;
}
