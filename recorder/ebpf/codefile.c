#include "codefile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void codefile_destroy(struct codefile *file)
{
	if (file->is_elf) {
		symbols_close(&file->symbols);
		elffile_close(&file->elf);
	}
	close(file->fd);
	free(file->path);
	free(file);
}

void codefiles_fini(struct codefiles *files)
{
	for (size_t i = 0; i < files->count; i++)
		codefile_destroy(files->all[i]);
	free(files->all);
	*files = (struct codefiles){0};
}

void codefiles_fail(struct codefiles *files, int error)
{
	if (!files->error && (error == -EMFILE || error == -ENFILE || error == -ENOMEM))
		files->error = error;
}

/*
 * Reads what the file has; one that is no ELF file or makes no sense stays without entrances.
 * Returns 0 or a negative errno.
 */
static int codefile_read(struct codefile *file)
{
	char path[64];
	int error;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	error = elffile_open(&file->elf, path);
	if (error)
		return error;
	error = symbols_open(&file->symbols, file->fd);
	if (error) {
		elffile_close(&file->elf);
		return error;
	}
	file->is_elf = true;
	error = entrances_find(&file->entrances, &file->symbols);
	if (error)
		file->entrances = (struct entrances){0};
	return error;
}

static void note_aliases(struct codefiles *files, const struct entrances *entrances)
{
	for (size_t i = 0; i < entrances->count; i++) {
		const struct entrance *e = entrances->all + i;

		if (e->kinds & (e->kinds - 1))
			files->aliases[e->kind] |= e->kinds;
	}
}

static struct codefile *add(struct codefiles *files, int fd, const struct stat *status,
			    const char *path)
{
	struct codefile *file = calloc(1, sizeof(*file));

	if (file && files->count == files->room) {
		size_t room = files->room ? files->room * 2 : 16;
		struct codefile **all = realloc(files->all, room * sizeof(*all));

		if (!all) {
			free(file);
			return NULL;
		}
		files->all = all;
		files->room = room;
	}
	if (!file)
		return NULL;
	file->fd = fd;
	file->device = status->st_dev;
	file->inode = status->st_ino;
	file->path = strdup(path);
	if (!file->path) {
		free(file);
		return NULL;
	}
	codefiles_fail(files, codefile_read(file));
	note_aliases(files, &file->entrances);
	files->all[files->count++] = file;
	return file;
}

struct codefile *codefiles_mapped(struct codefiles *files, pid_t pid, uint64_t begin, uint64_t end)
{
	struct codefile *file;
	struct stat status;
	char link[96], path[PATH_MAX];
	ssize_t length;
	int fd;

	snprintf(link, sizeof(link), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid, begin,
		 end);
	fd = open(link, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		codefiles_fail(files, -errno);
		return NULL;
	}
	length = readlink(link, path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = 0;
	if (fstat(fd, &status) != 0) {
		close(fd);
		return NULL;
	}
	for (size_t i = 0; i < files->count; i++)
		if (files->all[i]->inode == status.st_ino &&
		    files->all[i]->device == status.st_dev) {
			close(fd);
			return files->all[i];
		}
	file = add(files, fd, &status, path);
	if (!file) {
		codefiles_fail(files, -ENOMEM);
		close(fd);
	}
	return file;
}

struct codefile *codefiles_known(struct codefiles *files, uint64_t device, uint64_t inode)
{
	for (size_t i = 0; i < files->count; i++)
		if (files->all[i]->kernel_inode == inode && files->all[i]->kernel_device == device)
			return files->all[i];
	return NULL;
}

struct codefile *codefiles_at(struct codefiles *files, const char *path)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->all[i]->path, path) == 0)
			return files->all[i];
	return NULL;
}

int codefiles_scan(pid_t pid,
		   int (*visit)(void *context, uint64_t begin, uint64_t end, uint64_t offset),
		   void *context)
{
	char path[64], line[PATH_MAX + 128];
	int result = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (!result && fgets(line, sizeof(line), maps)) {
		uint64_t begin, end, offset, inode;
		char rights[5];

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64, &begin,
			   &end, rights, &offset, &inode) == 5 &&
		    rights[2] == 'x' && inode)
			result = visit(context, begin, end, offset);
	}
	fclose(maps);
	return result;
}

struct reading {
	struct codefiles *files;
	pid_t pid;
};

static int read_mapping(void *context, uint64_t begin, uint64_t end, uint64_t offset)
{
	const struct reading *reading = context;

	(void)offset;
	codefiles_mapped(reading->files, reading->pid, begin, end);
	return 0;
}

void codefiles_read(struct codefiles *files, pid_t pid)
{
	struct reading reading = {files, pid};

	codefiles_scan(pid, read_mapping, &reading);
}
