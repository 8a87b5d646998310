/*
 * Parquet, through the Python package: Arrow's is the one well-kept writer. The interpreter is that
 * of the nearest .venv above this program, else the python3 of the PATH.
 */
#include "exporter.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char code[] =
	"import sys\n"
	"try:\n"
	"    from haktrace.export import main\n"
	"except ImportError as error:\n"
	"    sys.exit('haktrace: Parquet is written by the Python package haktrace, which '\n"
	"             f'{sys.executable} cannot import: {error}')\n"
	"sys.exit(main(sys.argv[1:]))\n";

/* Cuts the last part off a path; false when none is left. */
static bool cut(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return false;
	*slash = 0;
	return true;
}

/* The folder of this program; "" when it cannot be told. */
static void find_self(char folder[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);

	folder[length < 0 ? 0 : length] = 0;
	cut(folder);
}

static void find_python(const char *folder, char python[PATH_MAX])
{
	static const char venv[] = "/.venv/bin/python";
	char path[PATH_MAX];

	strcpy(path, folder);
	do {
		size_t length = strlen(path);

		if (length + sizeof(venv) > sizeof(path))
			continue;
		strcpy(path + length, venv);
		if (!access(path, X_OK)) {
			strcpy(python, path);
			return;
		}
		path[length] = 0;
	} while (cut(path));
	strcpy(python, "python3");
}

/* The package is to use the library beside this program, where there is one. */
static void offer_library(const char *folder)
{
	char library[PATH_MAX + 32];

	snprintf(library, sizeof(library), "%s/libhaktrace.so", folder);
	if (!access(library, R_OK))
		setenv("HAK_BUILD", folder, 0);
}

static int run(struct exporter_job *job)
{
	char folder[PATH_MAX], python[PATH_MAX];
	char *arguments[] = {python, (char *)"-c", code, (char *)job->path, (char *)job->output,
			     NULL};
	int error, status = 0;
	pid_t pid;

	find_self(folder);
	find_python(folder, python);
	offer_library(folder);
	error = posix_spawnp(&pid, python, NULL, NULL, arguments, environ);
	if (error) {
		snprintf(job->error, sizeof(job->error),
			 "Parquet is written by the Python package haktrace; %.300s: %s", python,
			 strerror(error));
		return -error;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFSIGNALED(status))
		snprintf(job->error, sizeof(job->error), "%.300s was ended by signal %d", python,
			 WTERMSIG(status));
	return status ? -ECANCELED : 0; /* it has told why */
}

const struct exporter exporter_parquet = {
	.name = "parquet",
	.summary = "a table of all events, for pandas, DuckDB and others",
	.opens = true,
	.run = run,
};
