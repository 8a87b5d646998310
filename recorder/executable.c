#include "executable.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t read_link(const char *proc, const char *name, char path[PATH_MAX])
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "%s/%s", proc, name);
	length = readlink(link, path, PATH_MAX - 1);
	if (length < 0)
		length = 0;
	path[length] = 0;
	return (size_t)length;
}

size_t executable_resolved(const char *proc, char path[PATH_MAX])
{
	return read_link(proc, "exe", path);
}

/* The name as an absolute path, in the process's own root. False: it has none that lasts. */
static bool absolute(const char *proc, const char *name, char path[PATH_MAX])
{
	size_t length = 0;

	if (!name || !*name || !strncmp(name, "/proc/", 6) || !strncmp(name, "/dev/fd/", 8))
		return false;
	if (*name != '/') {
		while (!strncmp(name, "./", 2))
			name += 2;
		length = read_link(proc, "cwd", path);
		if (!length)
			return false;
		if (path[length - 1] != '/')
			path[length++] = '/';
	}
	if (length + strlen(name) >= PATH_MAX)
		return false;
	strcpy(path + length, name);
	return true;
}

size_t executable_path(const char *proc, const char *executed, char path[PATH_MAX])
{
	char name[PATH_MAX + 64];
	struct stat file, exe;

	if (absolute(proc, executed, path)) {
		snprintf(name, sizeof(name), "%s/exe", proc);
		if (stat(name, &exe) == 0) {
			snprintf(name, sizeof(name), "%s/root%s", proc, path);
			if (stat(name, &file) == 0 && file.st_dev == exe.st_dev &&
			    file.st_ino == exe.st_ino)
				return strlen(path);
		}
	}
	return executable_resolved(proc, path);
}
