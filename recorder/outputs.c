#include "outputs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int outputs_init(struct outputs *o, const char *file, const char *program, pid_t pid)
{
	*o = (struct outputs){0};
	if (file)
		o->file = strdup(file);
	else if (asprintf(&o->file, "%s.%d.zst", base_name(program), (int)pid) < 0)
		o->file = NULL;
	if (o->file)
		o->folder = strndup(o->file, (size_t)(base_name(o->file) - o->file));
	return o->folder ? 0 : -ENOMEM;
}

void outputs_fini(struct outputs *o)
{
	free(o->file);
	free(o->folder);
}

char *outputs_path(const struct outputs *o, bool first, const char *program, pid_t pid)
{
	char *path;

	if (first)
		return strdup(o->file);
	return asprintf(&path, "%s%s.%d.zst", o->folder, base_name(program), (int)pid) < 0 ? NULL
											   : path;
}

char *outputs_earlier_path(const struct outputs *o, const char *program, pid_t pid, uint32_t image)
{
	char *path;

	return asprintf(&path, "%s%s.%d.%u.zst", o->folder, base_name(program), (int)pid, image) < 0
		       ? NULL
		       : path;
}
