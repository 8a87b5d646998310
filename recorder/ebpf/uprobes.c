#include "uprobes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Values that Debian 12's headers do not know yet. */
#define ATTACH_UPROBE_MULTI   48
#define ATTACH_UPROBE_SESSION 57
#define MULTI_RETURN          1

#define PATH_BYTES 32

/* The part of union bpf_attr for BPF_LINK_CREATE of a uprobe_multi link. */
struct multi_link {
	uint32_t program, target, attach_type, flags;
	uint64_t path, offsets, counters, cookies;
	uint32_t count, multi_flags, pid, pad;
};

static int multi_create(const struct multi_link *link)
{
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, link, sizeof(*link));

	return fd < 0 ? -errno : fd;
}

/* The kernel takes files by name only. */
static void path_of(char path[PATH_BYTES], int fd)
{
	snprintf(path, PATH_BYTES, "/proc/self/fd/%d", fd);
}

/* A program that does nothing; its descriptor. */
static int load_nothing(unsigned attach_type)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = (enum bpf_attach_type)attach_type);
	const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", nothing, 2, &options);
}

/* Puts it at the beginning of a file; the link's descriptor, or a negative errno. */
static int link_nothing(unsigned attach_type, const char *path)
{
	uint64_t offset = 0;
	struct multi_link link = {
		.attach_type = attach_type,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)&offset,
		.count = 1,
	};
	int program = load_nothing(attach_type), result;

	if (program < 0)
		return program;
	link.program = (uint32_t)program;
	result = multi_create(&link);
	close(program);
	return result;
}

/* A link on something that is no file is refused late, after the kernel knew the kind of link. */
static bool knows(unsigned attach_type)
{
	return link_nothing(attach_type, "/") == -EBADF;
}

enum uprobes_method uprobes_method(void)
{
	if (knows(ATTACH_UPROBE_SESSION))
		return UPROBES_SESSION;
	return knows(ATTACH_UPROBE_MULTI) ? UPROBES_MULTI : UPROBES_PERF;
}

unsigned uprobes_attach_type(enum uprobes_method method)
{
	static const unsigned types[] = {ATTACH_UPROBE_SESSION, ATTACH_UPROBE_MULTI, 0};

	return types[method];
}

static int keep(struct uprobes *u, int fd)
{
	int *fds;

	if (fd < 0)
		return fd;
	fds = realloc(u->fds, (u->count + 1) * sizeof(*fds));
	if (!fds) {
		close(fd);
		return -ENOMEM;
	}
	u->fds = fds;
	u->fds[u->count++] = fd;
	return 0;
}

/* One link for all functions, or for those whose return is caught. */
static int add_multi(struct uprobes *u, const char *path, const struct entrances *target,
		     struct multi_link link, bool returns)
{
	uint64_t offsets[ENTRANCES_MAX], cookies[ENTRANCES_MAX];

	for (size_t i = 0; i < target->count; i++) {
		if (returns && !target->all[i].returns)
			continue;
		offsets[link.count] = target->all[i].offset;
		cookies[link.count++] = target->all[i].cookie;
	}
	if (!link.count)
		return 0;
	link.path = (uintptr_t)path;
	link.offsets = (uintptr_t)offsets;
	link.cookies = (uintptr_t)cookies;
	link.multi_flags = returns ? MULTI_RETURN : 0;
	return keep(u, multi_create(&link));
}

/* Number of the kernel's source of user probes, for perf_event_open(). */
static int probe_type(void)
{
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	int type = -1;

	if (!file)
		return -errno;
	if (fscanf(file, "%d", &type) != 1)
		type = -ENOENT;
	fclose(file);
	return type;
}

static int add_perf(struct uprobes *u, const char *path, const struct entrance *function,
		    int program, bool returns)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .perf_event.bpf_cookie = function->cookie);
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.config = returns, /* bit 0: probe the return; format/retprobe */
		.config1 = (uintptr_t)path,
		.config2 = function->offset,
	};
	int type = probe_type(), event, error;

	if (type < 0)
		return type;
	attr.type = (uint32_t)type;
	event = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		return -errno;
	error = keep(u, bpf_link_create(program, event, BPF_PERF_EVENT, &options));
	/* The link holds the event's probe only as long as the event is open. */
	return error ? (close(event), error) : keep(u, event);
}

static int add_all_perf(struct uprobes *u, const char *path, const struct entrances *target,
			const struct uprobes_programs *programs)
{
	int error = 0;

	for (size_t i = 0; i < target->count && !error; i++) {
		const struct entrance *function = &target->all[i];

		error = add_perf(u, path, function, programs->entry, false);
		if (!error && function->returns)
			error = add_perf(u, path, function, programs->returns, true);
	}
	return error;
}

int uprobes_add(struct uprobes *u, const struct uprobes_programs *programs, int fd,
		const struct entrances *target, uint32_t pid)
{
	struct multi_link link = {.attach_type = uprobes_attach_type(programs->method)};
	char path[PATH_BYTES];
	int error;

	path_of(path, fd);
	switch (programs->method) {
	case UPROBES_SESSION:
		link.program = (uint32_t)programs->session;
		link.pid = pid;
		return add_multi(u, path, target, link, false);
	case UPROBES_MULTI:
		/* Returns first: a call whose entry is seen has its return seen. */
		link.program = (uint32_t)programs->returns;
		error = add_multi(u, path, target, link, true);
		link.program = (uint32_t)programs->entry;
		return error ? error : add_multi(u, path, target, link, false);
	default:
		return add_all_perf(u, path, target, programs);
	}
}

void uprobes_herald(enum uprobes_method method)
{
	int file = memfd_create("mapped by nobody", MFD_CLOEXEC), link = -1;
	char path[PATH_BYTES];

	path_of(path, file);
	if (method != UPROBES_PERF && file >= 0 && ftruncate(file, 1) == 0)
		link = link_nothing(uprobes_attach_type(method), path);
	if (link >= 0)
		close(link);
	if (file >= 0)
		close(file);
}

void uprobes_remove(struct uprobes *u)
{
	while (u->count)
		close(u->fds[--u->count]);
	free(u->fds);
	u->fds = NULL;
}
