/* Where a thread's stack begins, against the stack pointer that the kernel started it with. */
#include "unit.h"

#include "traces/stackbase.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 6 };

static size_t below;
static _Alignas(1024) __thread volatile char aligned_tls[3000];

static struct told {
	pid_t tid;
	uintptr_t begin;
} * told;

static void *tell(void *place)
{
	struct told *t = place;

	aligned_tls[2] = 1;
	t->begin = stackbase_thread(below);
	t->tid = gettid();
	return NULL;
}

/* Threads with stacks of their own choosing and of the C library's, new ones and used ones. */
static void start_threads(void)
{
	static _Alignas(4096) char own[1 << 21];

	below = stackbase_below();
	for (int i = 0; i < THREADS; i++) {
		pthread_attr_t attributes;
		pthread_t thread;

		pthread_attr_init(&attributes);
		if (i == 1)
			pthread_attr_setstack(&attributes, own, sizeof(own));
		if (i == 2)
			pthread_attr_setstacksize(&attributes, 523 * 4096);
		if (pthread_create(&thread, &attributes, tell, told + i) != 0)
			_exit(2);
		pthread_join(thread, NULL);
	}
	_exit(0);
}

/* The stack pointer of each new thread before its first instruction. */
static size_t watch(pid_t child, struct told *seen)
{
	size_t count = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		struct user_regs_struct registers;

		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == child)
				break;
			continue;
		}
		if (pid != child && status >> 16 == PTRACE_EVENT_STOP && count < THREADS &&
		    ptrace(PTRACE_GETREGS, pid, NULL, &registers) == 0)
			seen[count++] = (struct told){pid, registers.rsp};
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	return count;
}

static void test_threads(void **state)
{
	struct told seen[THREADS];
	size_t count;
	pid_t child;

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* its own thread would be seen first */
#endif
	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child = fork();
	if (!child) {
		raise(SIGSTOP);
		start_threads();
	}
	waitpid(child, NULL, WUNTRACED);
	if (ptrace(PTRACE_SEIZE, child, NULL, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) != 0) {
		kill(child, SIGKILL);
		skip(); /* not allowed here */
	}
	kill(child, SIGCONT);
	count = watch(child, seen);
	assert_int_equal(count, THREADS);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(told[i].tid, seen[i].tid);
		assert_int_equal(told[i].begin, seen[i].begin);
	}
}

static void test_main_thread(void **state)
{
	const uintptr_t *words = stackbase_main();

	(void)state;
	assert_int_equal(words[0], 1); /* argc */
	assert_non_null(strstr((const char *)words[1], "test_stackbase"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_main_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
