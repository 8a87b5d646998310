/* late THREADS: threads one after another, each with a call of the C library's after all
 * destructors: it frees the text that strerror() made for the thread. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *run(void *unused)
{
	char *volatile block = malloc(10);

	(void)unused;
	free(block);
	return strerror(99999) ? NULL : block;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 100;

	for (int i = 0; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, run, NULL))
			return 1;
		pthread_join(thread, NULL);
	}
	return 0;
}
