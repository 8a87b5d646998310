#include "target.h"

#include "elffile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SCRIPT_DEPTH 4 /* scripts that interpret scripts, as the kernel allows */

__attribute__((format(printf, 3, 4))) static int refuse(struct target *t, int error,
							const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(t->reason, sizeof(t->reason), format, arguments);
	va_end(arguments);
	return error;
}

static int runnable(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		return -EACCES;
	return access(path, X_OK) == 0 ? 0 : -errno;
}

/* The file that a name without a slash means. */
static int search(struct target *t, const char *name)
{
	const char *path = getenv("PATH");
	int error = -ENOENT;

	for (path = path ? path : "/bin:/usr/bin"; path; path = strchr(path, ':')) {
		size_t length;
		int status;

		path += *path == ':';
		length = strcspn(path, ":");
		if (snprintf(t->path, sizeof(t->path), "%.*s%s%s", (int)length, path,
			     length ? "/" : "", name) >= (int)sizeof(t->path))
			continue;
		status = runnable(t->path);
		if (!status)
			return 0;
		if (status != -ENOENT && status != -ENOTDIR)
			error = status;
		if (!path[length])
			break;
	}
	return error;
}

/* The interpreter that a script names; false: not a script. */
static bool interpreter_of(const char *path, char interpreter[PATH_MAX])
{
	char line[PATH_MAX + 4] = "";
	FILE *file = fopen(path, "re");
	char *start;

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		line[0] = 0;
	fclose(file);
	if (line[0] != '#' || line[1] != '!')
		return false;
	start = line + 2 + strspn(line + 2, " \t");
	start[strcspn(start, " \t\n")] = 0;
	snprintf(interpreter, PATH_MAX, "%s", start);
	return *start;
}

static int check_elf(struct target *t, const struct elffile *file)
{
	const char *interpreter = elffile_interpreter(file);
	struct stat status;

	if (stat(t->image, &status) == 0 && status.st_mode & (S_ISUID | S_ISGID) &&
	    (geteuid() != status.st_uid || status.st_mode & S_ISGID))
		return refuse(t, -ENOTSUP,
			      "%s is setuid or setgid, so nothing can be preloaded into it",
			      t->image);
	if (geteuid() != 0 && getxattr(t->image, "security.capability", NULL, 0) > 0)
		return refuse(t, -ENOTSUP,
			      "%s has file capabilities, so nothing can be preloaded into it",
			      t->image);
	if (!interpreter)
		return refuse(t, -ENOTSUP,
			      "%s is statically linked, so nothing can be preloaded into it",
			      t->image);
	if (!strstr(interpreter, "ld-linux"))
		return refuse(t, -ENOTSUP,
			      "%s is linked to another C library than glibc (its loader is %s), "
			      "so nothing can be preloaded into it",
			      t->image, interpreter);
	return 0;
}

static int check(struct target *t)
{
	struct elffile file;
	char next[PATH_MAX];
	int error;

	snprintf(t->image, sizeof(t->image), "%s", t->path);
	for (int depth = 0; depth < SCRIPT_DEPTH && interpreter_of(t->image, next); depth++) {
		memcpy(t->image, next, sizeof(next));
		error = runnable(t->image);
		if (error)
			return refuse(t, error, "%s: its interpreter %s: %s", t->path, t->image,
				      strerror(-error));
	}
	error = elffile_open(&file, t->image);
	/* What is no ELF file may be a script for the shell; what cannot be read can be run. */
	if (error)
		return 0;
	error = check_elf(t, &file);
	elffile_close(&file);
	return error;
}

int target_find(struct target *t, const char *name)
{
	int error;

	t->reason[0] = 0;
	if (strchr(name, '/')) {
		snprintf(t->path, sizeof(t->path), "%s", name);
		error = runnable(t->path);
	} else {
		error = *name ? search(t, name) : -ENOENT;
	}
	if (error)
		return refuse(t, error, "%s: %s", *name ? name : "''",
			      error == -ENOENT ? "no such program" : strerror(-error));
	return check(t);
}
