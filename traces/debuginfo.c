#include "debuginfo.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUILD_ID_BYTES 64
#define BUILD_ID_TEXT  (2 * BUILD_ID_BYTES + 1)
#define LEAST_BYTES    4096     /* of a module whose size is not known */
#define FILE_TIME_NS   20000000 /* how far a file's time may lag */

/* The build id of a file as text, "" when it has none. False: it is no ELF file. */
static bool read_build_id(int fd, char text[BUILD_ID_TEXT])
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	const void *id;
	ssize_t bytes;

	*text = 0;
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		return false;
	}
	bytes = dwelf_elf_gnu_build_id(elf, &id);
	for (ssize_t i = 0; i < bytes && i < BUILD_ID_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)id)[i]);
	elf_end(elf);
	return true;
}

/* Of a file without a build id only its time can tell that it is the one that ran. */
static bool is_unchanged(const struct debuginfo *d, int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && (uint64_t)status.st_ctim.tv_sec * 1000000000 +
							  (uint64_t)status.st_ctim.tv_nsec +
							  FILE_TIME_NS <
						  d->start_ns;
}

static void complain(struct debuginfo *d, const char *build_id)
{
	const char *recorded = *d->of->build_id ? d->of->build_id : "none";
	int bytes;

	if (!strcmp(build_id, d->of->build_id))
		bytes = asprintf(
			&d->problem,
			"%s: cannot be told to be the file that was recorded (no build id, "
			"and changed since): its functions are not named",
			d->of->path);
	else
		bytes = asprintf(&d->problem,
				 "%s: not the file that was recorded (build id %s, recorded %s): "
				 "its functions are not named",
				 d->of->path, *build_id ? build_id : "none", recorded);
	if (bytes < 0)
		d->problem = NULL;
}

static int open_own(struct debuginfo *d)
{
	char build_id[BUILD_ID_TEXT];
	int fd = *d->of->path == '/' ? open(d->of->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	bool same;

	if (fd < 0)
		return -1;
	if (read_build_id(fd, build_id)) {
		same = !strcmp(build_id, d->of->build_id);
		if (same && (*build_id || is_unchanged(d, fd)))
			return fd;
		complain(d, build_id);
	}
	close(fd);
	return -1;
}

/* A debug file in place of one that is gone: it has the names, and where the code was. */
static int open_debug(const struct debuginfo *d, char **file_name)
{
	char build_id[BUILD_ID_TEXT];
	int fd;

	if (strlen(d->of->build_id) < 3 ||
	    asprintf(file_name, "/usr/lib/debug/.build-id/%.2s/%s.debug", d->of->build_id,
		     d->of->build_id + 2) < 0)
		return -1;
	fd = open(*file_name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read_build_id(fd, build_id) && !strcmp(build_id, d->of->build_id))
		return fd;
	if (fd >= 0)
		close(fd);
	free(*file_name);
	*file_name = NULL;
	return -1;
}

static int find_elf(Dwfl_Module *module, void **context, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct debuginfo *d = *context;
	int fd = open_own(d);

	if (fd >= 0) {
		*file_name = strdup(d->of->path);
		return fd;
	}
	fd = dwfl_build_id_find_elf(module, context, name, base, file_name, elf);
	return fd >= 0 || *elf ? fd : open_debug(d, file_name);
}

/* Tells libdwfl the build id, for what it looks for by itself. */
static void report_build_id(Dwfl_Module *module, const char *text)
{
	unsigned char id[BUILD_ID_BYTES];
	size_t bytes = 0;
	unsigned byte;

	while (bytes < sizeof(id) && sscanf(text + 2 * bytes, "%2x", &byte) == 1)
		id[bytes++] = (unsigned char)byte;
	if (bytes)
		dwfl_module_report_build_id(module, id, bytes, 0);
}

void debuginfo_open(struct debuginfo *d, const struct trace_module *module, uint64_t start_ns)
{
	static const Dwfl_Callbacks callbacks = {
		.find_elf = find_elf,
		.find_debuginfo = dwfl_standard_find_debuginfo,
	};
	uint64_t bytes = module->size_bytes ? module->size_bytes : LEAST_BYTES;
	void **context;

	*d = (struct debuginfo){.of = module, .start_ns = start_ns, .dwfl = dwfl_begin(&callbacks)};
	if (!d->dwfl)
		return;
	dwfl_report_begin(d->dwfl);
	d->module = dwfl_report_module(d->dwfl, module->path, 0, bytes);
	if (d->module && dwfl_module_info(d->module, &context, NULL, NULL, NULL, NULL, NULL, NULL))
		*context = d;
	report_build_id(d->module, module->build_id);
	dwfl_report_end(d->dwfl, NULL, NULL);
	if (!d->module || !dwfl_module_getelf(d->module, &d->bias)) {
		d->module = NULL;
		return;
	}
	free(d->problem); /* the right one was found elsewhere */
	d->problem = NULL;
}

void debuginfo_close(struct debuginfo *d)
{
	if (d->dwfl)
		dwfl_end(d->dwfl);
	free(d->problem);
}
