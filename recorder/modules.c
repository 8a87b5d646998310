#include "modules.h"

#include "elffile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *hexadecimal(const uint8_t *bytes, size_t count)
{
	char *text = malloc(count * 2 + 1);

	if (!text)
		return NULL;
	for (size_t i = 0; i < count; i++)
		sprintf(text + i * 2, "%02x", bytes[i]);
	text[count * 2] = 0;
	return text;
}

static void module_fini(struct module *module)
{
	free(module->path);
	free(module->build_id);
}

void modules_fini(struct modules *m)
{
	for (size_t i = 0; i < m->count; i++)
		module_fini(m->all + i);
	free(m->all);
	*m = (struct modules){0};
}

static struct module *append(struct modules *m)
{
	if (m->count == m->room) {
		size_t room = m->room ? m->room * 2 : 16;
		struct module *all = realloc(m->all, room * sizeof(*all));

		if (!all)
			return NULL;
		m->all = all;
		m->room = room;
	}
	return m->all + m->count;
}

int modules_copy(struct modules *to, const struct modules *from)
{
	*to = (struct modules){0};
	for (size_t i = 0; i < from->count; i++) {
		struct module *copy = append(to);

		if (!copy)
			return -ENOMEM;
		*copy = from->all[i];
		copy->path = strdup(copy->path);
		copy->build_id = strdup(copy->build_id);
		copy->number = TRACE_NO_MODULE;
		if (!copy->path || !copy->build_id) {
			module_fini(copy);
			return -ENOMEM;
		}
		to->count++;
	}
	return 0;
}

/* The same code at the same place. */
static bool same(const struct module *a, const struct module *b)
{
	return a->base_addr == b->base_addr && a->first_addr == b->first_addr &&
	       !strcmp(a->path, b->path);
}

int modules_add(struct modules *m, const struct module *module, const void *id, size_t id_bytes)
{
	struct module *place;

	for (size_t i = 0; i < m->count; i++) {
		struct module *old = m->all + i;

		if (!old->mapped)
			continue;
		if (same(old, module))
			return 0;
		if (old->first_addr < module->end_addr && module->first_addr < old->end_addr)
			old->mapped = false;
	}
	place = append(m);
	if (!place)
		return -ENOMEM;
	*place = *module;
	place->path = strdup(module->path);
	place->build_id = hexadecimal(id, id_bytes);
	place->number = TRACE_NO_MODULE;
	place->mapped = true;
	if (!place->path || !place->build_id) {
		module_fini(place);
		return -ENOMEM;
	}
	m->count++;
	return 0;
}

/* One line of a maps file. */
struct mapping {
	uint64_t first, end, offset;
	bool code;
	char path[4096];
};

/* False: not a line of a maps file. */
static bool parse(const char *line, struct mapping *mapping)
{
	char rights[5];
	int path = 0;

	mapping->path[0] = 0;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s%n", &mapping->first,
		   &mapping->end, rights, &mapping->offset, &path) < 4 ||
	    !path)
		return false;
	path += (int)strspn(line + path, " ");
	mapping->code = rights[2] == 'x';
	snprintf(mapping->path, sizeof(mapping->path), "%s", line + path);
	mapping->path[strcspn(mapping->path, "\n")] = 0;
	return true;
}

/* Adds the module that a mapping of code belongs to. */
static int add_mapped(struct modules *m, const struct mapping *mapping)
{
	struct elffile file;
	uint64_t addr;
	size_t id_bytes = 0;
	const uint8_t *id;
	int error = 0;

	if (mapping->path[0] != '/' || elffile_open(&file, mapping->path)) {
		static char none[] = "";
		struct module nothing = {
			.path = none, .first_addr = mapping->first, .end_addr = mapping->end};

		return modules_add(m, &nothing, NULL, 0);
	}
	if (elffile_addr(&file, mapping->offset, &addr)) {
		struct module module = {.path = (char *)(uintptr_t)mapping->path,
					.base_addr = mapping->first - addr};

		elffile_extent(&file, &module.first_addr, &module.end_addr);
		module.first_addr += module.base_addr;
		module.end_addr += module.base_addr;
		id = elffile_build_id(&file, &id_bytes);
		error = modules_add(m, &module, id, id_bytes);
	}
	elffile_close(&file);
	return error;
}

int modules_refresh(struct modules *m, pid_t pid)
{
	char path[64], line[4096 + 128];
	struct mapping mapping;
	FILE *maps;
	int error = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (!error && fgets(line, sizeof(line), maps))
		if (parse(line, &mapping) && mapping.code && !modules_find(m, mapping.first))
			error = add_mapped(m, &mapping);
	fclose(maps);
	return error;
}

void modules_unmap(struct modules *m, uint64_t first_addr)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->all[i].first_addr == first_addr)
			m->all[i].mapped = false;
}

struct module *modules_find(struct modules *m, uint64_t addr)
{
	if (m->last < m->count) {
		struct module *module = m->all + m->last;

		if (module->mapped &&
		    addr - module->first_addr < module->end_addr - module->first_addr)
			return module;
	}
	for (size_t i = 0; i < m->count; i++) {
		struct module *module = m->all + i;

		if (module->mapped &&
		    addr - module->first_addr < module->end_addr - module->first_addr) {
			m->last = i;
			return module;
		}
	}
	return NULL;
}

int64_t modules_number(struct module *module, struct trace_writer *writer)
{
	struct trace_module definition = {
		.path = module->path,
		.build_id = module->build_id,
		.base_addr = module->base_addr,
		.size_bytes = module->end_addr - module->first_addr,
	};
	int64_t number;

	if (!*module->path || module->number != TRACE_NO_MODULE)
		return module->number;
	number = trace_writer_module(writer, &definition);
	if (number >= 0)
		module->number = (uint32_t)number;
	return number;
}
