/*
 * descent DEPTH: allocates while the allocator (bump.c, which calls bump_called()) is interrupted
 * by a signal whose handler allocates, and so on, DEPTH times. The sizes count from 100.
 */
#include <signal.h>
#include <stdlib.h>

enum { FIRST = 100 };

void bump_called(size_t size);

static size_t depth, most;

static void allocate(void)
{
	free(malloc(FIRST + depth++));
}

static void handle(int signal)
{
	(void)signal;
	allocate();
}

/* The allocator's own code is interrupted here. */
__attribute__((visibility("default"))) void bump_called(size_t size)
{
	if (size == FIRST + depth - 1 && depth < most)
		raise(SIGUSR1);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_NODEFER};

	most = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	sigaction(SIGUSR1, &action, NULL);
	allocate();
	return 0;
}
