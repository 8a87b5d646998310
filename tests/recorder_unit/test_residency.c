/* The filter lets large blocks through, and NULL whatever becomes of the blocks. */
#include "unit.h"

#include "recorder/host.h"
#include "recorder/member.h"
#include "recorder/notepad.h"
#include "recorder/residency.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 300, FORKS = 50, PAGE = 4096, BYTES = 128 << 10, ROUND = 16 << 20 };

static struct host host;
static char *mapped, *memory;

static int open_residency(void **state)
{
	(void)state;
	mapped = mmap(NULL, ROUND + (BLOCKS + 1) * BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Its first pages are not taken for that of NULL. */
	memory = mapped + -(uintptr_t)mapped % ROUND + BYTES;
	if (mapped == MAP_FAILED || host_open(&host, SESSION_CONTEXT))
		return -1;
	member.session = host.session;
	member.number = session_take_process(host.session);
	member.process = session_process(host.session, member.number);
	atomic_store(&member.process->pid, getpid());
	residency_open();
	return notepad_open() ? 0 : -1;
}

static int close_residency(void **state)
{
	(void)state;
	host_close(&host);
	munmap(mapped, ROUND + (BLOCKS + 1) * BYTES);
	return 0;
}

/* More blocks at one offset, which is that of NULL, than can be counted. */
static void test_null_passes(void **state)
{
	size_t size;

	(void)state;
	assert_true(residency_maybe(NULL));
	memory[0] = 1;
	assert_int_equal(residency_born(memory, BYTES), 1);
	assert_true(residency_maybe(memory));
	assert_false(residency_maybe(memory + PAGE));
	assert_int_equal(residency_died(memory, &size), 1);
	assert_int_equal(size, BYTES);
	assert_false(residency_maybe(memory));
	assert_true(residency_maybe(NULL));
	assert_int_equal(residency_died(NULL, &size), TRACE_NONE);
	assert_int_equal(size, 0);
	for (int i = 0; i < BLOCKS; i++) {
		residency_stays(memory + (size_t)i * BYTES, BYTES);
		assert_true(residency_maybe(NULL));
	}
	for (int i = 0; i < BLOCKS; i++) {
		residency_died(memory + (size_t)i * BYTES, &size);
		assert_int_equal(size, BYTES);
	}
	assert_true(residency_maybe(NULL));
}

static _Atomic bool over;
static _Atomic unsigned looks;

/* Holds what is known of blocks nearly all of the time. */
static void *look(void *unused)
{
	while (!over) {
		residency_end();
		looks++;
	}
	return unused;
}

/* ... nor of a fork while another thread has them. */
static void test_null_passes_in_a_child(void **state)
{
	pthread_t thread;
	int status;

	(void)state;
	/* Where nothing is: no pages are told of. */
	for (uintptr_t i = 1; i <= BLOCKS; i++)
		residency_stays((void *)(i * PAGE), PAGE);
	assert_int_equal(pthread_create(&thread, NULL, look, NULL), 0);
	for (int i = 0; i < FORKS; i++) {
		unsigned before = looks;
		pid_t child;

		while (looks == before)
			;
		child = fork();
		if (!child) {
			residency_inherit();
			_exit(!residency_maybe(NULL));
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	over = true;
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_null_passes, open_residency, close_residency),
		cmocka_unit_test_setup_teardown(test_null_passes_in_a_child, open_residency,
						close_residency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
