/*
 * The kernel part under each way of putting probes: a program that makes a known number of calls
 * in known order is followed, and every message about it is checked. Skips where eBPF is not.
 */
#include "recorder/ebpf/codefile.h"
#include "recorder/ebpf/tracer.h"
#include "traces/trace.h"

#include <errno.h>
#include <linux/sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 500, RING_BYTES = 4 << 20 };

struct seen {
	struct tracer *tracer;
	uint32_t pid;
	unsigned mallocs, callocs, olds, reallocs, frees, others, lost;
	uint64_t malloced; /* address of the last malloc told */
	bool wrong;        /* a message that does not fit the ones before */
};

/* What the followed child does; sizes tell its calls from the C library's own. */
static void make_calls(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		void *volatile block = malloc(7001);

		block = realloc(block, 7002);
		free(block);
		block = calloc(7, 1009);
		free(block);
	}
}

static void see_alloc(struct seen *s, const struct ring_alloc *m)
{
	switch (m->call.head.kind) {
	case TRACE_MALLOC:
		s->mallocs += m->size == 7001;
		s->malloced = m->call.addr;
		break;
	case TRACE_CALLOC:
		s->callocs += m->size == 7 * 1009;
		break;
	default:
		s->reallocs += m->size == 7002;
		s->wrong |= m->align != s->malloced;
	}
	s->wrong |= !m->call.addr || !m->call.caller || !m->call.frame;
}

static int see(void *context, const struct ring_head *m, size_t bytes)
{
	struct seen *s = context;

	s->lost += m->lost;
	if (m->tid != s->pid)
		return 0;
	if (m->kind == TRACE_MALLOC || m->kind == TRACE_CALLOC || m->kind == TRACE_REALLOC) {
		s->wrong |= bytes != sizeof(struct ring_alloc);
		see_alloc(s, (const struct ring_alloc *)m);
	} else if (m->kind == TRACE_FREE || m->kind == RING_OLD) {
		s->wrong |= bytes != sizeof(struct ring_free);
		if (m->kind == RING_OLD)
			s->wrong |= ((const struct ring_free *)m)->addr != s->malloced;
		s->frees += m->kind == TRACE_FREE;
		s->olds += m->kind == RING_OLD;
	} else {
		s->others++;
	}
	return 0;
}

struct probing {
	struct tracer *tracer;
	struct codefiles *files;
};

static int probe(void *context, uint64_t begin, uint64_t end, uint64_t offset)
{
	struct probing *probing = context;
	struct codefile *file = codefiles_mapped(probing->files, getpid(), begin, end);

	(void)offset;
	if (file && !file->probed && file->entrances.count)
		assert_int_equal(tracer_probe(probing->tracer, file->fd, &file->entrances), 0);
	if (file)
		file->probed = true;
	return 0;
}

/* A child that makes its calls when it is told to. */
static pid_t start_child(int *go)
{
	int gate[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(gate), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(gate[1]);
		if (read(gate[0], &byte, 1) == 1)
			make_calls();
		_exit(0);
	}
	close(gate[0]);
	*go = gate[1];
	return pid;
}

static void follow_child(enum uprobes_method method)
{
	const struct tracer_options options = {
		.ring_bytes = RING_BYTES, .follow = true, .method = method};
	struct codefiles files = {0};
	struct probing probing = {.files = &files};
	struct seen s = {0};
	int go;

	if (geteuid() != 0 || access("/sys/kernel/btf/vmlinux", R_OK) != 0 ||
	    uprobes_method() > method)
		skip();
	s.pid = (uint32_t)start_child(&go);
	assert_int_equal(tracer_open(&s.tracer, &options), 0);
	probing.tracer = s.tracer;
	/* The child has the very same libraries as this process. */
	assert_int_equal(codefiles_scan(getpid(), probe, &probing), 0);
	assert_int_equal(tracer_follow(s.tracer, s.pid), 0);
	assert_int_equal(write(go, "", 1), 1);
	assert_int_equal(waitpid((pid_t)s.pid, NULL, 0), (pid_t)s.pid);
	tracer_stop(s.tracer);
	assert_int_equal(tracer_read(s.tracer, 0, see, &s), 0);
	assert_int_equal(s.mallocs, ROUNDS);
	assert_int_equal(s.callocs, ROUNDS);
	assert_int_equal(s.reallocs, ROUNDS);
	assert_int_equal(s.olds, ROUNDS);
	assert_int_equal(s.frees, 2 * ROUNDS);
	assert_int_equal(s.others, 2); /* the thread is met, and ends */
	assert_int_equal(s.lost, 0);
	assert_int_equal(tracer_lost(s.tracer), 0);
	assert_false(s.wrong);
	tracer_close(s.tracer);
	codefiles_fini(&files);
	close(go);
}

static void test_session_links(void **state)
{
	(void)state;
	follow_child(UPROBES_SESSION);
}

static void test_multi_links(void **state)
{
	(void)state;
	follow_child(UPROBES_MULTI);
}

static void test_perf_links(void **state)
{
	(void)state;
	follow_child(UPROBES_PERF);
}

/* ---- processes of which there is no room to tell ---- */

enum { CROWD = 12000, MANY_CALLS = 50 };

static void call(int rounds)
{
	for (int i = 0; i < rounds; i++) {
		void *volatile block = malloc(7001);

		free(block);
	}
}

/* A child with a given number, or any (0), makes calls and ends; returns its number. */
static pid_t live_as(pid_t number, int rounds)
{
	struct clone_args arguments = {
		.exit_signal = SIGCHLD,
		.set_tid = number ? (uintptr_t)&number : 0,
		.set_tid_size = number != 0,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (pid < 0)
		abort();
	if (!pid) {
		call(rounds);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

/* Fills the ring, has two numbers drop calls untold, and uses one of them again when told to. */
static void crowd(int go, int answer)
{
	pid_t numbers[2];
	char byte;

	for (int i = 0; i < CROWD; i++)
		numbers[i % 2] = live_as(0, 0);
	live_as(numbers[0], MANY_CALLS);
	live_as(numbers[1], MANY_CALLS);
	if (write(answer, numbers, sizeof(numbers)) != sizeof(numbers) || read(go, &byte, 1) != 1)
		abort();
	live_as(numbers[0], 0);
}

static int ignore(void *context, const struct ring_head *m, size_t bytes)
{
	(void)context, (void)m, (void)bytes;
	return 0;
}

/* What a process dropped is never put down to another one that has its number later. */
static void test_numbers_used_again(void **state)
{
	const struct tracer_options options = {.ring_bytes = TRACER_RING_MIN, .follow = true};
	struct codefiles files = {0};
	struct probing probing = {.files = &files};
	int go[2], answer[2];
	pid_t pid, numbers[2];

	(void)state;
	if (geteuid() != 0 || access("/sys/kernel/btf/vmlinux", R_OK) != 0)
		skip();
	assert_int_equal(pipe(go) | pipe(answer), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char byte;

		if (read(go[0], &byte, 1) == 1)
			crowd(go[0], answer[1]);
		_exit(0);
	}
	close(go[0]);
	close(answer[1]);
	assert_int_equal(tracer_open(&probing.tracer, &options), 0);
	assert_int_equal(codefiles_scan(getpid(), probe, &probing), 0);
	assert_int_equal(tracer_follow(probing.tracer, (uint32_t)pid), 0);
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(read(answer[0], numbers, sizeof(numbers)), sizeof(numbers));
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	tracer_stop(probing.tracer);
	assert_int_equal(tracer_read(probing.tracer, 0, ignore, NULL), 0);
	assert_int_equal(tracer_buried(probing.tracer, (uint32_t)numbers[1]), 2 * MANY_CALLS);
	assert_int_equal(tracer_buried(probing.tracer, (uint32_t)numbers[0]), 0);
	tracer_close(probing.tracer);
	codefiles_fini(&files);
	close(go[1]);
	close(answer[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_links),
		cmocka_unit_test(test_multi_links),
		cmocka_unit_test(test_perf_links),
		cmocka_unit_test(test_numbers_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
