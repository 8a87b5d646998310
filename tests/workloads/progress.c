/*
 * progress FILE [CALLS [abort|exit|kill|segv|leave]]: four threads allocate and free; each counts,
 * in the shared mapping of FILE, its calls that returned (one 64-bit word per thread, at the
 * thread's index). A thread that reached CALLS ends the process in the way named; without CALLS
 * they go on until somebody kills them. leave: the first thread has ended by then.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 4, KEPT = 32, FILE_BYTES = 4096 };

static _Atomic uint64_t *returned;
static uint64_t limit = UINT64_MAX;
static const char *end = "exit";

static void end_process(void)
{
	if (!strcmp(end, "abort"))
		abort();
	if (!strcmp(end, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(end, "segv"))
		*(volatile int *)NULL = 0;
	_exit(6);
}

/* The caller's call number i returned. */
static void count(uintptr_t thread, uint64_t calls)
{
	atomic_store_explicit(&returned[thread], calls, memory_order_release);
	if (calls >= limit)
		end_process();
}

static void *work(void *argument)
{
	uintptr_t thread = (uintptr_t)argument;
	void *volatile kept[KEPT] = {0};
	uint64_t calls = 0;
	unsigned i;

	for (i = 0;; i = (i + 1) % KEPT) {
		if (kept[i]) {
			free(kept[i]);
			count(thread, ++calls);
		}
		kept[i] = malloc(1000 * (thread + 1) + i);
		count(thread, ++calls);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	uintptr_t i;
	int fd;

	if (argc < 2)
		return 2;
	if (argc > 2)
		limit = strtoull(argv[2], NULL, 0);
	if (argc > 3)
		end = argv[3];
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, FILE_BYTES))
		return 1;
	returned = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (returned == MAP_FAILED)
		return 1;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, work, (void *)i))
			return 1;
	if (!strcmp(end, "leave"))
		pthread_exit(NULL);
	for (;;)
		pause();
}
