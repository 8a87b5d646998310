#include "loader.h"

/* Which skel_internal.h uses without including it. */
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/skel_internal.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAPS 16

/* What the kernel's run of the program takes and gives: see skel_internal.h. */
struct context {
	struct bpf_loader_ctx head;
	union {
		struct bpf_map_desc maps[MAPS]; /* as many as there are; the programs follow */
		char room[MAPS * sizeof(struct bpf_map_desc) +
			  LOADER_PROGRAMS * sizeof(struct bpf_prog_desc)];
	};
};

/* Programs in the order of the object, which is that of the loader. */
static int list_programs(struct loader *l, struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
	{
		if (!bpf_program__autoload(program))
			continue;
		if (l->count == LOADER_PROGRAMS)
			return -E2BIG;
		l->programs[l->count].program = program;
		l->programs[l->count++].fd = -1;
	}
	return 0;
}

/* What the object holds of a map's content becomes the map's own, as it is for the programs. */
static int share(struct bpf_map *map)
{
	size_t bytes, page = (size_t)sysconf(_SC_PAGESIZE);
	void *content = (void *)bpf_map__initial_value(map, &bytes);
	int writable = bpf_map__map_flags(map) & BPF_F_RDONLY_PROG ? 0 : PROT_WRITE;

	if (!content)
		return 0;
	bytes = (bytes + page - 1) & ~(page - 1);
	content = mmap(content, bytes, PROT_READ | writable, MAP_SHARED | MAP_FIXED,
		       bpf_map__fd(map), 0);
	return content == MAP_FAILED ? -errno : 0;
}

/* Hands the descriptors over, all of them even if one cannot be. */
static int take(struct loader *l, struct bpf_object *object, const struct context *context)
{
	const struct bpf_map_desc *m = context->maps;
	const struct bpf_prog_desc *p;
	struct bpf_map *map;
	int error = 0;

	bpf_object__for_each_map(map, object)
	{
		if (!error)
			error = bpf_map__reuse_fd(map, m->map_fd);
		close(m++->map_fd);
		if (!error)
			error = share(map);
	}
	p = (const struct bpf_prog_desc *)m;
	for (size_t i = 0; i < l->count; i++)
		l->programs[i].fd = p[i].prog_fd;
	return error;
}

int loader_load(struct loader *l, struct bpf_object *object)
{
	struct context context = {.head.sz = sizeof(context)};
	struct bpf_load_and_run_opts run = {.ctx = &context.head};
	LIBBPF_OPTS(gen_loader_opts, made);
	struct bpf_map *map;
	size_t maps = 0;
	int error = list_programs(l, object);

	bpf_object__for_each_map(map, object) maps++;
	if (error || maps > MAPS)
		return -E2BIG;
	error = bpf_object__gen_loader(object, &made);
	if (!error)
		error = bpf_object__load(object);
	if (error)
		return error;
	run.data = made.data;
	run.data_sz = made.data_sz;
	run.insns = made.insns;
	run.insns_sz = made.insns_sz;
	error = bpf_load_and_run(&run);
	return error ? error : take(l, object, &context);
}

void loader_fini(struct loader *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->programs[i].fd >= 0)
			close(l->programs[i].fd);
	l->count = 0;
}

int loader_fd(const struct loader *l, const struct bpf_program *program)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->programs[i].program == program)
			return l->programs[i].fd;
	return -1;
}
