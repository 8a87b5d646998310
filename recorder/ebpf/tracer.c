#include "tracer.h"

#include "loader.h"
#include "warden.h"
#include <probes.skel.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

struct tracer {
	struct probes *skeleton;
	struct loader loader;
	int links[LOADER_PROGRAMS]; /* of the programs that watch processes */
	size_t link_count;
	struct ring_buffer *ring; /* NULL: it was not read yet */
	struct uprobes uprobes;
	struct uprobes_programs programs;
	struct tracer_options options;
	struct warden warden;
	pthread_t herald;
	bool heralded;  /* the thread was started */
	bool guarded;   /* the warden is there */
	uint32_t only;  /* the process to probe when children are not followed */
	uint32_t stops; /* of which the stopped processes have been continued */
	int (*visit)(void *context, const struct ring_head *message, size_t bytes);
	void *context;
	char error[256];
};

static int failed(struct tracer *t, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int failed(struct tracer *t, int error, const char *format, ...)
{
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	vsnprintf(t->error, sizeof(t->error), format, arguments);
	va_end(arguments);
	length = strlen(t->error);
	snprintf(t->error + length, sizeof(t->error) - length, ": %s", strerror(-error));
	return error;
}

const char *tracer_error(const struct tracer *t)
{
	return t ? t->error : "out of memory";
}

/* What matters of libbpf's own messages is in ours. */
static int silence(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

static void choose_programs(struct tracer *t)
{
	struct bpf_program *session = t->skeleton->progs.call_session;
	struct bpf_program *entry = t->skeleton->progs.call_entry;
	struct bpf_program *returns = t->skeleton->progs.call_return;
	enum uprobes_method method = t->programs.method;
	enum bpf_attach_type type = (enum bpf_attach_type)uprobes_attach_type(method);

	bpf_program__set_autoload(session, method == UPROBES_SESSION);
	bpf_program__set_autoload(entry, method != UPROBES_SESSION);
	bpf_program__set_autoload(returns, method != UPROBES_SESSION);
	bpf_program__set_expected_attach_type(session, type);
	bpf_program__set_expected_attach_type(entry, type);
	bpf_program__set_expected_attach_type(returns, type);
}

static int load(struct tracer *t)
{
	struct probes *s = probes__open();
	int error;

	if (!s)
		return failed(t, -errno, "cannot open the eBPF programs");
	t->skeleton = s;
	choose_programs(t);
	s->rodata->ring_bytes = t->options.ring_bytes;
	s->rodata->follow = t->options.follow;
	s->rodata->lossless = t->options.lossless;
	error = bpf_map__set_max_entries(s->maps.ring, (uint32_t)t->options.ring_bytes);
	if (!error)
		error = loader_load(&t->loader, s->obj);
	if (error)
		return failed(t, error, "the kernel refuses the eBPF programs");
	t->programs.session = loader_fd(&t->loader, s->progs.call_session);
	t->programs.entry = loader_fd(&t->loader, s->progs.call_entry);
	t->programs.returns = loader_fd(&t->loader, s->progs.call_return);
	return 0;
}

/* The probes' programs have no place of their own to attach to: only the others do. */
static int watch(struct tracer *t)
{
	for (size_t i = 0; i < t->loader.count; i++) {
		int fd = t->loader.programs[i].fd, link;

		if (bpf_program__type(t->loader.programs[i].program) != BPF_PROG_TYPE_TRACING)
			continue;
		link = bpf_raw_tracepoint_open(NULL, fd);
		if (link < 0)
			return failed(t, -errno, "cannot watch processes");
		t->links[t->link_count++] = link;
	}
	return 0;
}

static void unwatch(struct tracer *t)
{
	while (t->link_count)
		close(t->links[--t->link_count]);
}

static int on_sample(void *context, void *data, size_t bytes)
{
	struct tracer *t = context;

	return t->visit(t->context, data, bytes);
}

static void *herald_probes(void *context)
{
	const struct tracer *t = context;

	uprobes_herald(t->programs.method);
	return NULL;
}

int tracer_open(struct tracer **tracer, const struct tracer_options *options)
{
	struct rlimit files;
	struct tracer *t = calloc(1, sizeof(*t));
	int error;

	*tracer = t;
	if (!t)
		return -ENOMEM;
	t->options = *options;
	libbpf_set_print(silence);
	/* Programs, links, files that were looked at: as many descriptors as may be. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	t->programs.method = uprobes_method();
	if (t->programs.method < options->method)
		t->programs.method = options->method;
	t->heralded = options->soon && !pthread_create(&t->herald, NULL, herald_probes, t);
	error = load(t);
	if (error)
		return error;
	error = warden_start(&t->warden, bpf_map__fd(t->skeleton->maps.followed));
	if (error)
		return failed(t, error, "cannot start a process");
	t->guarded = true;
	return watch(t);
}

void tracer_close(struct tracer *t)
{
	if (!t)
		return;
	uprobes_remove(&t->uprobes);
	unwatch(t);
	ring_buffer__free(t->ring);
	loader_fini(&t->loader);
	probes__destroy(t->skeleton);
	if (t->guarded)
		warden_dismiss(&t->warden);
	if (t->heralded)
		pthread_join(t->herald, NULL);
	free(t);
}

int tracer_follow(struct tracer *t, uint32_t pid)
{
	int error = bpf_map__update_elem(t->skeleton->maps.followed, &pid, sizeof(pid), &pid,
					 sizeof(pid), BPF_ANY);

	return error ? failed(t, error, "cannot follow process %u", pid) : 0;
}

void tracer_only(struct tracer *t, uint32_t pid)
{
	t->only = pid;
}

int tracer_probe(struct tracer *t, int fd, const struct entrances *target)
{
	int error = uprobes_add(&t->uprobes, &t->programs, fd, target, t->only);

	return error ? failed(t, error, "cannot put probes into the allocator") : 0;
}

int tracer_know(struct tracer *t, uint64_t device, uint64_t inode)
{
	struct ring_file file = {.inode = inode, .device = device};
	uint32_t one = 1;
	int error = bpf_map__update_elem(t->skeleton->maps.files, &file, sizeof(file), &one,
					 sizeof(one), BPF_ANY);

	return error ? failed(t, error, "cannot remember a file") : 0;
}

/* Lets the processes go on that waited for the ring to be emptied. */
static void continue_stopped(struct tracer *t)
{
	const struct bpf_map *map = t->skeleton->maps.stopped;
	uint32_t pid;

	t->stops = t->skeleton->bss->stops;
	while (bpf_map__get_next_key(map, NULL, &pid, sizeof(pid)) == 0) {
		/* In this order: a process that stops again in between is found next time. */
		bpf_map__delete_elem(map, &pid, sizeof(pid), 0);
		kill((pid_t)pid, SIGCONT);
	}
}

int tracer_read(struct tracer *t, int timeout_ms,
		int (*visit)(void *context, const struct ring_head *message, size_t bytes),
		void *context)
{
	struct epoll_event event;
	int count;

	/* Not before: mapping a large ring takes a while, in which calls are recorded already. */
	if (!t->ring)
		t->ring = ring_buffer__new(bpf_map__fd(t->skeleton->maps.ring), on_sample, t, NULL);
	if (!t->ring)
		return failed(t, -errno, "cannot map the ring buffer");
	t->visit = visit;
	t->context = context;
	count = ring_buffer__consume(t->ring);
	if (count == 0 && timeout_ms) {
		epoll_wait(ring_buffer__epoll_fd(t->ring), &event, 1, timeout_ms);
		count = ring_buffer__consume(t->ring);
	}
	if (count >= 0 && t->skeleton->bss->stops != t->stops)
		continue_stopped(t);
	return count < 0 ? count : 0;
}

void tracer_stop(struct tracer *t)
{
	t->skeleton->bss->closing = true;
	uprobes_remove(&t->uprobes);
	unwatch(t);
	continue_stopped(t);
}

uint32_t *tracer_wanted(struct tracer *t)
{
	return t->skeleton->bss->wanted;
}

uint64_t tracer_lost(const struct tracer *t)
{
	return t->skeleton->bss->lost_calls;
}

uint32_t tracer_unfollowed(const struct tracer *t)
{
	return t->skeleton->bss->unfollowed;
}

bool tracer_lost_next(struct tracer *t, uint32_t *tid, uint32_t *count)
{
	const struct bpf_map *map = t->skeleton->maps.lost;

	return bpf_map__get_next_key(map, NULL, tid, sizeof(*tid)) == 0 &&
	       bpf_map__lookup_and_delete_elem(map, tid, sizeof(*tid), count, sizeof(*count), 0) ==
		       0;
}

uint32_t tracer_buried(struct tracer *t, uint32_t pid)
{
	uint32_t count = 0;

	bpf_map__lookup_and_delete_elem(t->skeleton->maps.buried, &pid, sizeof(pid), &count,
					sizeof(count), 0);
	return count;
}
