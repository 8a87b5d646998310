/*
 * descriptors FILE: writes to FILE which descriptors were open at the start and which number the
 * next open() got, with a few calls of the allocator before and after.
 */
#include "say.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOOKED_AT = 4096 };

int main(int argc, char **argv)
{
	static char open_at_start[LOOKED_AT];
	void *volatile block = malloc(71);
	int fd, i;

	if (argc < 2)
		return 2;
	for (i = 0; i < LOOKED_AT; i++)
		open_at_start[i] = fcntl(i, F_GETFD) >= 0;
	free(block);
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	for (i = 0; i < LOOKED_AT; i++)
		if (open_at_start[i])
			say_to(fd, "open %d\n", i);
	say_to(fd, "next %d\n", fd);
	return 0;
}
