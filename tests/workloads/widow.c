/*
 * widow CALLS: the child of a vfork kills its parent, whose memory it runs in, makes so many calls
 * and prints how many.
 */
#include "say.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long calls = argc > 1 ? atol(argv[1]) : 100;
	pid_t parent = getpid();

	if (vfork())
		return 1;
	kill(parent, SIGKILL);
	while (getppid() == parent)
		usleep(1000);
	usleep(100000);
	for (long i = 0; i < calls / 2; i++) {
		void *volatile block = malloc(32);

		free(block);
	}
	say("calls %ld\n", calls);
	_exit(0);
}
