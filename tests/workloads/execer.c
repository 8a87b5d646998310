/*
 * execer STAGE [thread]: allocates 10 * STAGE blocks of STAGE bytes and frees all but one; before
 * the third stage it tries to execute a file that is not there and then itself, from a second
 * thread if "thread" is given. The third stage exits with status 9.
 */
#include "say.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char next[2] = "2";
static const char *how = "main";

static void *execute(void *argument)
{
	execl("/nowhere/to/be/found", "found", (char *)NULL);
	execl("/proc/self/exe", "execer", next, how, (char *)NULL);
	perror("exec");
	return argument;
}

int main(int argc, char **argv)
{
	int stage = argc > 1 ? atoi(argv[1]) : 1;
	void *kept = malloc(1000 + (size_t)stage);
	pthread_t thread;
	int i;

	for (i = 1; i < 10 * stage; i++) {
		void *volatile block = malloc((size_t)stage);

		free(block);
	}
	say("stage %d kept %s\n", stage, kept ? "one" : "none");
	if (stage == 3)
		return 9;
	next[0] = (char)('1' + stage);
	if (argc > 2)
		how = argv[2];
	if (!strcmp(how, "thread")) {
		if (pthread_create(&thread, NULL, execute, NULL))
			abort();
		pthread_join(thread, NULL);
	} else {
		execute(NULL);
	}
	return 1;
}
