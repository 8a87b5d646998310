/*
 * probecost METHOD CALLS: what a probe costs a program. A child allocates CALLS blocks and frees
 * them, without probes and with them; prints the nanoseconds that each call of malloc (entry and
 * return are caught) and of free (entry only) took longer. METHOD: session, multi or perf, the ways
 * of uprobes.h, or stepped: session, on free's first instruction, which the kernel cannot emulate.
 */
#include "recorder/ebpf/codefile.h"
#include "recorder/ebpf/ring.h"
#include "recorder/ebpf/tracer.h"
#include "traces/trace.h"

#include <err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RING_BYTES = 64 << 20, BLOCK_BYTES = 24 };

struct cost {
	double malloc_ns, free_ns; /* of one call */
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct cost make_calls(void **blocks, size_t calls)
{
	double begin = now_ns(), middle;

	for (size_t i = 0; i < calls; i++)
		blocks[i] = malloc(BLOCK_BYTES);
	middle = now_ns();
	for (size_t i = 0; i < calls; i++)
		free(blocks[i]);
	return (struct cost){(middle - begin) / (double)calls, (now_ns() - middle) / (double)calls};
}

/* The child's part: once to touch the memory, once bare, and once when it is told to. */
static _Noreturn void work(int go, int done, size_t calls)
{
	void **blocks = calloc(calls, sizeof(*blocks));
	struct cost bare, probed;
	char byte;

	if (!blocks)
		_exit(1);
	make_calls(blocks, calls);
	bare = make_calls(blocks, calls);
	if (write(done, "", 1) != 1 || read(go, &byte, 1) != 1)
		_exit(1);
	probed = make_calls(blocks, calls);
	probed.malloc_ns -= bare.malloc_ns;
	probed.free_ns -= bare.free_ns;
	_exit(write(done, &probed, sizeof(probed)) != sizeof(probed));
}

struct probing {
	struct tracer *tracer;
	struct codefiles files;
	bool stepped;
};

/* The first instruction, whatever it is. */
static void move_to_entry(struct entrance *e)
{
	e->offset -= e->spot.offset;
	e->cookie -= (uint64_t)e->spot.offset << 29 | (uint64_t)(e->spot.stack / 8) << 22;
}

static int probe(void *context, uint64_t begin, uint64_t end, uint64_t offset)
{
	struct probing *p = context;
	struct codefile *file = codefiles_mapped(&p->files, getpid(), begin, end);

	(void)offset;
	if (!file || file->probed || !file->entrances.count)
		return 0;
	file->probed = true;
	for (size_t i = 0; p->stepped && i < file->entrances.count; i++)
		if (file->entrances.all[i].kind == TRACE_FREE)
			move_to_entry(&file->entrances.all[i]);
	return tracer_probe(p->tracer, file->fd, &file->entrances);
}

static int count(void *context, const struct ring_head *m, size_t bytes)
{
	(void)bytes;
	*(uint64_t *)context += m->kind < RING_OLD;
	return 0;
}

static void probe_process(struct probing *p, pid_t pid, const char *method)
{
	static const char *const methods[] = {"session", "multi", "perf"};
	struct tracer_options options = {.ring_bytes = RING_BYTES, .follow = true};

	p->stepped = strcmp(method, "stepped") == 0;
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(method, methods[i]) == 0)
			options.method = (enum uprobes_method)i;
	if (uprobes_method() > options.method)
		errx(77, "the kernel has no such links: %s", method);
	if (tracer_open(&p->tracer, &options) || codefiles_scan(getpid(), probe, p) ||
	    tracer_follow(p->tracer, (uint32_t)pid))
		errx(1, "%s", tracer_error(p->tracer));
}

int main(int argc, char **argv)
{
	size_t calls = argc == 3 ? strtoull(argv[2], NULL, 0) : 0;
	struct probing probing = {0};
	struct cost cost;
	uint64_t seen = 0;
	int go[2], done[2];
	char byte;
	pid_t pid;

	if (!calls || pipe(go) || pipe(done))
		errx(2, "usage: probecost session|multi|perf|stepped CALLS");
	pid = fork();
	if (!pid)
		work(go[0], done[1], calls);
	if (pid < 0 || read(done[0], &byte, 1) != 1)
		err(1, "no child");
	probe_process(&probing, pid, argv[1]);
	if (write(go[1], "", 1) != 1)
		err(1, "no child");
	while (waitpid(pid, NULL, WNOHANG) == 0)
		tracer_read(probing.tracer, 5, count, &seen);
	tracer_stop(probing.tracer);
	tracer_read(probing.tracer, 0, count, &seen);
	if (read(done[0], &cost, sizeof(cost)) != sizeof(cost) || seen < 2 * calls)
		errx(1, "%ju of %zu calls were seen", (uintmax_t)seen, 2 * calls);
	printf("malloc_ns %.1f free_ns %.1f\n", cost.malloc_ns, cost.free_ns);
	tracer_close(probing.tracer);
	codefiles_fini(&probing.files);
	return 0;
}
