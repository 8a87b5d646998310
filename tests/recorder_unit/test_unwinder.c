/* A copied stack is walked to the same frames that the running program's own unwinder finds. */
#include "unit.h"

#include "recorder/unwinder.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))
enum { FRAMES = 64, BYTES = 8192 };

static uintptr_t stack_top;
static struct modules modules;
static struct unwinder *unwinder;

static struct module *find(void *context, uint64_t addr)
{
	(void)context;
	return modules_find(&modules, addr);
}

static const struct unwinder_space space = {find, NULL};

/* What the program itself finds, and what is found from a copy of its stack. */
static void *expected[FRAMES];
static size_t depth;
static union {
	struct note_stack note;
	char room[sizeof(struct note_stack) + BYTES];
} copy;

/* Stands for a hook: its caller is the site. */
NOINLINE __attribute__((no_sanitize("address"))) static void take(size_t bytes)
{
	const uintptr_t *base = __builtin_frame_address(0);
	size_t to_top = (size_t)(stack_top - (uintptr_t)(base + 2));
	void *frames[FRAMES];
	size_t count = (size_t)backtrace(frames, FRAMES);
	size_t own = 0; /* frames of backtrace() and of this function */

	while (own < count && (uintptr_t)frames[own] != base[1])
		own++;
	depth = count - own;
	bytes = bytes < to_top ? bytes : to_top; /* with few environment variables there is less */
	memcpy(expected, frames + own, depth * sizeof(*frames));
	copy.note = (struct note_stack){.bytes = (uint32_t)bytes,
					.addr = base[1],
					.frame = (uintptr_t)(base + 2),
					.base = base[0]};
	/* Word by word: a sanitizer would refuse to copy other functions' frames. */
	for (size_t i = 0; i < bytes / sizeof(*base); i++)
		((volatile uintptr_t *)copy.note.stack)[i] = base[2 + i];
}

/* Frames of different kinds: plain, large, of variable size, aligned. */
NOINLINE static int plain(int n, size_t bytes)
{
	if (n)
		return plain(n - 1, bytes) + n;
	take(bytes);
	return 1;
}

NOINLINE static int large(size_t bytes)
{
	volatile char room[1000];

	room[bytes % 1000] = 1;
	return plain(5, bytes) + room[7];
}

NOINLINE static int variable(size_t n, size_t bytes)
{
	volatile char *room = __builtin_alloca(n);

	room[n - 1] = 2;
	return large(bytes) + room[n - 1];
}

NOINLINE static int aligned(size_t bytes)
{
	_Alignas(256) volatile char room[256];

	room[9] = 3;
	return variable(100 + bytes % 7, bytes) + room[9] + (int)((uintptr_t)room % 256);
}

static void test_frames(void **state)
{
	uint64_t addrs[FRAMES];
	size_t found;

	(void)state;
	assert_int_not_equal(aligned(BYTES), 0);
	found = unwinder_walk(unwinder, &copy.note, &space, addrs, FRAMES);
	assert_in_range(depth, 10, FRAMES - 1);
	assert_int_equal(found, depth);
	for (size_t i = 0; i < found; i++)
		assert_int_equal(addrs[i], (uintptr_t)expected[i]);
}

static void test_copy_that_ends(void **state)
{
	uint64_t addrs[FRAMES];
	size_t found;

	(void)state;
	plain(20, 200);
	found = unwinder_walk(unwinder, &copy.note, &space, addrs, FRAMES);
	assert_in_range(found, 2, 19);
	for (size_t i = 0; i < found; i++)
		assert_int_equal(addrs[i], (uintptr_t)expected[i]);
}

static void test_code_of_no_file(void **state)
{
	uint64_t addrs[FRAMES];

	(void)state;
	copy.note.addr = 0x1234;
	assert_int_equal(unwinder_walk(unwinder, &copy.note, &space, addrs, FRAMES), 1);
	assert_int_equal(addrs[0], 0x1234);
}

static void test_modules_of_this_process(void **state)
{
	struct module *here = modules_find(&modules, (uintptr_t)test_frames);
	struct module *libc = modules_find(&modules, (uintptr_t)&memcpy);

	(void)state;
	assert_non_null(here);
	assert_non_null(strstr(here->path, "test_unwinder"));
	assert_non_null(libc);
	assert_ptr_not_equal(here, libc);
	assert_null(modules_find(&modules, 0x1000));
	modules_unmap(&modules, here->first_addr);
	assert_null(modules_find(&modules, (uintptr_t)test_frames));
	assert_int_equal(modules_refresh(&modules, getpid()), 0);
	assert_non_null(modules_find(&modules, (uintptr_t)test_frames));
}

static int open_modules(void **state)
{
	pthread_attr_t attr;
	void *lowest;
	size_t size;

	(void)state;
	if (pthread_getattr_np(pthread_self(), &attr) ||
	    pthread_attr_getstack(&attr, &lowest, &size))
		return -1;
	stack_top = (uintptr_t)lowest + size;
	pthread_attr_destroy(&attr);
	unwinder = unwinder_create();
	return unwinder ? modules_refresh(&modules, getpid()) : -1;
}

static int close_modules(void **state)
{
	(void)state;
	unwinder_destroy(unwinder);
	modules_fini(&modules);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_copy_that_ends),
		cmocka_unit_test(test_code_of_no_file),
		cmocka_unit_test(test_modules_of_this_process),
	};

	return cmocka_run_group_tests(tests, open_modules, close_modules);
}
