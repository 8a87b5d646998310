#include "proc.h"

#include "recorder/elffile.h"
#include "recorder/executable.h"
#include "recorder/shellwords.h"

#include <dirent.h>
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool has_memory(pid_t tid)
{
	char link[64], byte;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)tid);
	return readlink(link, &byte, 1) > 0;
}

pid_t proc_alive(pid_t pid)
{
	char folder[64];
	struct dirent *entry;
	pid_t alive = pid;
	DIR *threads;

	if (has_memory(pid))
		return pid;
	snprintf(folder, sizeof(folder), "/proc/%d/task", (int)pid);
	threads = opendir(folder);
	while (threads && alive == pid && (entry = readdir(threads)))
		if (has_memory(atoi(entry->d_name)))
			alive = atoi(entry->d_name);
	if (threads)
		closedir(threads);
	return alive;
}

/* The whole of a small file of /proc; NULL when it cannot be read. */
static char *read_proc(pid_t pid, const char *name, size_t *bytes)
{
	size_t room = 4096, filled = 0;
	char *text = malloc(room + 1);
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && text && (got = read(fd, text + filled, room - filled)) > 0) {
		filled += (size_t)got;
		if (filled == room) {
			char *more = realloc(text, room * 2 + 1);

			if (!more)
				break;
			text = more;
			room *= 2;
		}
	}
	if (fd >= 0)
		close(fd);
	*bytes = filled;
	if (!text || !filled) {
		free(text);
		return NULL;
	}
	text[filled] = 0;
	return text;
}

/* The path that the process's program was executed by, or an empty text. */
static void read_executed(pid_t pid, char executed[PATH_MAX])
{
	size_t bytes;
	char *vector = read_proc(pid, "auxv", &bytes);
	char name[64];
	ssize_t got = 0;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/mem", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; vector && fd >= 0 && i + sizeof(Elf64_auxv_t) <= bytes;
	     i += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t entry;

		memcpy(&entry, vector + i, sizeof(entry));
		if (entry.a_type == AT_EXECFN)
			got = pread(fd, executed, PATH_MAX - 1, (off_t)entry.a_un.a_val);
	}
	executed[got > 0 ? got : 0] = 0;
	if (fd >= 0)
		close(fd);
	free(vector);
}

void proc_read(struct proc *proc, pid_t pid)
{
	char folder[64], executed[PATH_MAX], path[PATH_MAX];
	size_t bytes;
	char *status = read_proc(pid, "stat", &bytes);
	pid_t alive = proc_alive(pid);
	char *command = read_proc(alive, "cmdline", &bytes);
	int parent;

	*proc = (struct proc){0};
	if (status && strrchr(status, ')') &&
	    sscanf(strrchr(status, ')'), ") %*c %d", &parent) == 1)
		proc->parent_pid = parent;
	free(status);
	snprintf(folder, sizeof(folder), "/proc/%d", (int)alive);
	read_executed(alive, executed);
	if (executable_path(folder, executed, path))
		proc->program = strdup(path);
	if (!command)
		return;
	/* A program that changed its title leaves NULs behind it. */
	while (bytes > 1 && !command[bytes - 1] && !command[bytes - 2])
		bytes--;
	proc->command = shellwords_join(command, bytes);
	free(command);
}

pid_t proc_process(pid_t tid)
{
	size_t bytes;
	char *status = read_proc(tid, "status", &bytes);
	char *line = status ? strstr(status, "\nTgid:") : NULL;
	pid_t pid = 0;

	if (!line || sscanf(line, " Tgid: %d", &pid) != 1)
		pid = 0;
	free(status);
	return pid;
}

void proc_explain(const char *program)
{
	struct elffile file;
	bool is_static = false;

	if (elffile_open(&file, program) == 0) {
		is_static = !elffile_interpreter(&file);
		elffile_close(&file);
	}
	if (is_static)
		warnx("%s is statically linked and stripped: without symbols its allocator cannot "
		      "be found; record a build that has its symbol table",
		      program);
	else
		warnx("%s uses no library that has an allocator's functions", program);
}
