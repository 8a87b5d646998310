/* Files that live in memory and are handed to the runner. */
#ifndef REPLAYER_MEMFILE_H
#define REPLAYER_MEMFILE_H

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMFILE_LOWEST 16 /* above every number that the runner's descriptors get */

/* A new one, or a negative errno. */
static inline int memfile_make(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	int raised = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, MEMFILE_LOWEST);
	int error = -errno;

	if (fd >= 0)
		close(fd);
	return raised < 0 ? error : raised;
}

#endif
