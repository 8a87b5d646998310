#include "callers.h"

#include "idmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct callers_file {
	char *path; /* NULL: no known file */
	uint32_t module;
	struct idmap sites; /* by address */
};

void callers_fini(struct callers *c)
{
	for (size_t i = 0; i < c->n_files; i++) {
		free(c->files[i].path);
		idmap_fini(&c->files[i].sites);
	}
	free(c->files);
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static int define(struct callers_file *f, struct trace_writer *writer)
{
	struct trace_module module = {.path = f->path, .build_id = ""};
	int64_t number;

	f->module = TRACE_NO_MODULE;
	if (!f->path)
		return 0;
	number = trace_writer_module(writer, &module);
	f->module = (uint32_t)number;
	return number < 0 ? (int)number : 0;
}

/* Logs name few files, mostly the same ones. */
static int find(struct callers *c, struct trace_writer *writer, const char *path,
		struct callers_file **file)
{
	struct callers_file *files, born = {0};

	for (size_t i = 0; i < c->n_files; i++) {
		*file = &c->files[i];
		if (is_same((*file)->path, path))
			return 0;
	}
	files = reallocarray(c->files, c->n_files + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	c->files = files;
	idmap_init(&born.sites);
	if (path && !(born.path = strdup(path)))
		return -ENOMEM;
	*file = &files[c->n_files++];
	**file = born;
	return define(*file, writer);
}

int64_t callers_site(struct callers *c, struct trace_writer *writer, const char *path,
		     uint64_t addr)
{
	struct trace_site site = {.offset = addr};
	struct callers_file *file;
	int64_t number;
	int error = find(c, writer, path, &file);

	if (error)
		return error;
	number = (int64_t)idmap_get(&file->sites, addr);
	if (number != (int64_t)IDMAP_NONE)
		return number;
	site.module = file->module;
	number = trace_writer_site(writer, &site);
	if (number < 0)
		return number;
	error = idmap_set(&file->sites, addr, (uint64_t)number);
	return error ? error : number;
}
