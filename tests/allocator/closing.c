/* closing LIBRARY: closes an allocator loaded by name while a thread that has used it still runs.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_barrier_t used, closed;
static void *(*take)(size_t);
static void (*give)(void *);

static void *user(void *argument)
{
	give(take(100));
	pthread_barrier_wait(&used);
	pthread_barrier_wait(&closed);
	return argument;
}

int main(int argc, char **argv)
{
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	pthread_t thread;

	if (!library)
		return 2;
	*(void **)&take = dlsym(library, "hak_malloc");
	*(void **)&give = dlsym(library, "hak_free");
	pthread_barrier_init(&used, NULL, 2);
	pthread_barrier_init(&closed, NULL, 2);
	pthread_create(&thread, NULL, user, NULL);
	pthread_barrier_wait(&used);
	dlclose(library);
	pthread_barrier_wait(&closed);
	pthread_join(thread, NULL);
	puts("ok");
	return 0;
}
