/*
 * handler SIGNALS: the main thread allocates and frees without a pause while a timer's signal
 * handler does the same, until the handler ran SIGNALS times. Needs an allocator that a handler may
 * call (bump.c). Prints the calls of both; the handler may interrupt anything, a recorder's hook
 * too.
 */
#include "say.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>

static volatile uint64_t handled;

static void handle(int signal)
{
	int kept = errno;
	void *volatile block = malloc(1000);

	(void)signal;
	free(block);
	handled++;
	errno = kept;
}

int main(int argc, char **argv)
{
	uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 0) : 500;
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
	struct itimerval timer = {.it_interval.tv_usec = 200, .it_value.tv_usec = 200};
	uint64_t pairs = 0;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	while (handled < wanted) {
		void *volatile block = malloc(10);

		free(block);
		pairs++;
	}
	timer = (struct itimerval){0};
	setitimer(ITIMER_REAL, &timer, NULL);
	say("main %ju handler %ju\n", (uintmax_t)(2 * pairs), (uintmax_t)(2 * handled));
	return 0;
}
