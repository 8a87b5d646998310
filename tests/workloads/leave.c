/*
 * leave LIBRARY CALLS: the first thread ends; another one then loads an allocator and makes so many
 * calls of it.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static char **arguments;
static pthread_t first;

static void *stay(void *argument)
{
	void *(*allocate)(size_t);
	void (*release)(void *);
	void *library;

	pthread_join(first, NULL);
	library = dlopen(arguments[1], RTLD_NOW);
	if (!library)
		_exit(1);
	allocate = (void *(*)(size_t))dlsym(library, "malloc");
	release = (void (*)(void *))dlsym(library, "free");
	for (long i = 0; i < atol(arguments[2]) / 2; i++)
		release(allocate(77));
	_exit(0);
	return argument;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc < 3)
		return 2;
	arguments = argv;
	first = pthread_self();
	if (pthread_create(&thread, NULL, stay, NULL))
		return 1;
	pthread_exit(NULL);
}
