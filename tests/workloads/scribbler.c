/*
 * A program with a stray pointer: it writes over memory that it shares with hakrec, and goes on
 * with more calls than that memory has room for. Argument: pairs of calls.
 */
#include "recorder/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>

#define TIMES  200  /* hakrec has read all before some, but not before every one */
#define BEFORE 1000 /* pairs of calls before each */

static void call(long pairs)
{
	for (long i = 0; i < pairs; i++)
		free(malloc(16));
}

int main(int argc, char **argv)
{
	const char *name = getenv(SESSION_ENV);
	long pairs = argc > 1 ? atol(argv[1]) : 1;

	struct session *s = name ? shmat(atoi(name), NULL, 0) : NULL;

	if (s == (void *)-1)
		return 1;
	for (int i = 0; i < TIMES; i++) {
		call(BEFORE);
		if (s)
			memset(session_link(s, 0), 0xff,
			       (s->chunks + s->long_chunks) * sizeof(uint32_t));
	}
	call(pairs);
	printf("pairs %ld\n", pairs);
	return 0;
}
