#include "filters.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

int filters_count(void)
{
	static const char field[] = "\nSeccomp_filters:";
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	const char *at;

	if (fd >= 0)
		close(fd);
	if (bytes <= 0)
		return -1;
	text[bytes] = 0;
	at = strstr(text, field);
	return at ? atoi(at + sizeof(field) - 1) : -1;
}
