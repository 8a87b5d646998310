/*
 * waiter CALLS BYTES [PROCESSES]: says "ready" without an end of line, allocates CALLS blocks of
 * BYTES in each of PROCESSES (1), waits for a line on standard input, says it, frees the blocks and
 * exits with status 3.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS_MAX = 10000 };

static void *blocks[CALLS_MAX];

int main(int argc, char **argv)
{
	size_t calls, bytes, i;
	char line[256];
	int processes;
	ssize_t length;

	if (argc < 3)
		return 2;
	calls = strtoul(argv[1], NULL, 0);
	bytes = strtoul(argv[2], NULL, 0);
	processes = argc > 3 ? atoi(argv[3]) : 1;
	if (calls > CALLS_MAX)
		return 2;
	while (--processes > 0)
		if (fork() == 0)
			break;
	for (i = 0; i < calls; i++)
		blocks[i] = malloc(bytes);
	if (argc <= 3 && write(1, "ready", 5) != 5)
		return 1;
	length = read(0, line, sizeof(line));
	if (length > 0 && write(1, line, (size_t)length) != length)
		return 1;
	for (i = 0; i < calls; i++)
		free(blocks[i]);
	while (wait(NULL) > 0)
		;
	return 3;
}
