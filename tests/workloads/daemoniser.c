/*
 * daemoniser FILE: becomes a daemon the classic way (fork, setsid, fork, chdir, descriptors
 * closed); the first process ends at once. The daemon works on for a while, makes 50 calls of 60
 * bytes and then writes its process id to FILE.
 */
#include "say.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void become_daemon(void)
{
	int fd;

	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
	if (chdir("/"))
		_exit(1);
	for (fd = 0; fd < 1024; fd++)
		close(fd);
	umask(077);
}

int main(int argc, char **argv)
{
	void *volatile block = malloc(61);
	int fd, i;

	if (argc < 2)
		return 2;
	become_daemon();
	for (i = 0; i < 25; i++) {
		usleep(10000);
		block = malloc(60);
		free(block);
	}
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	say_to(fd, "%d\n", getpid());
	return 0;
}
