/* Where probes go: hand-made code, byte by byte. */
#include "recorder/ebpf/spot.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CODE(...) (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__})

static struct spot find(const unsigned char *code, size_t bytes, unsigned arguments, bool at_entry)
{
	struct spot_finder *finder = spot_finder_create();
	struct spot spot;

	assert_non_null(finder);
	assert_int_equal(spot_find(finder, &spot, code, bytes, arguments, at_entry), 0);
	spot_finder_destroy(finder);
	return spot;
}

static void assert_spot(struct spot spot, uint32_t offset, uint32_t stack, bool emulated)
{
	assert_int_equal(spot.offset, offset);
	assert_int_equal(spot.stack, stack);
	assert_int_equal(spot.emulated, emulated);
}

static void assert_plain_arguments(struct spot spot)
{
	assert_int_equal(spot.argument[0], SPOT_DI);
	assert_int_equal(spot.argument[1], SPOT_SI);
	assert_int_equal(spot.argument[2], SPOT_DX);
}

/* push %r12; push %rbp */
static void test_push_at_entry(void **state)
{
	struct spot spot = find(CODE(0x41, 0x54, 0x55), 1, true);

	(void)state;
	assert_spot(spot, 0, 0, true);
	assert_plain_arguments(spot);
}

/* test %rdi,%rdi; je +9; ret: the jump, before it is taken or not */
static void test_first_branch(void **state)
{
	(void)state;
	assert_spot(find(CODE(0x48, 0x85, 0xff, 0x74, 0x09, 0xc3), 1, true), 3, 0, true);
	/* the long form: je +0x100 */
	assert_spot(find(CODE(0x48, 0x85, 0xff, 0x0f, 0x84, 0x00, 0x01, 0, 0, 0xc3), 1, true), 3, 0,
		    true);
}

/* endbr64; jmp +0x1000: endbr64 itself is single-stepped */
static void test_forwarding_jump(void **state)
{
	(void)state;
	assert_spot(find(CODE(0xf3, 0x0f, 0x1e, 0xfa, 0xe9, 0, 0x10, 0, 0), 1, false), 4, 0, true);
}

/* sub $8,%rsp; call +0: eight bytes below the return address */
static void test_stack_is_followed(void **state)
{
	const unsigned char code[] = {0x48, 0x83, 0xec, 0x08, 0xe8, 0, 0, 0, 0, 0xc3};

	(void)state;
	assert_spot(find(code, sizeof(code), 1, false), 4, 8, true);
	/* The return address must be on top to catch the return: only the entry will do. */
	assert_spot(find(code, sizeof(code), 1, true), 0, 0, false);
}

/* mov %rdi,%rsi; mov %fs:(%rax),%rdi; cmp $0x400,%rsi; ja +0: the size has moved to rsi */
static void test_moved_argument(void **state)
{
	struct spot spot = find(CODE(0x48, 0x89, 0xfe, 0x64, 0x48, 0x8b, 0x38, 0x48, 0x81, 0xfe, 0,
				     4, 0, 0, 0x77, 0, 0xc3),
				1, true);

	(void)state;
	assert_spot(spot, 14, 0, true);
	assert_int_equal(spot.argument[0], SPOT_SI);
}

/* mov %rsi,%rdx; mov %rdi,%rsi; xor %edi,%edi; jmp +0: both have moved */
static void test_two_moved_arguments(void **state)
{
	struct spot spot = find(
		CODE(0x48, 0x89, 0xf2, 0x48, 0x89, 0xfe, 0x31, 0xff, 0xe9, 0, 0, 0, 0), 2, true);

	(void)state;
	assert_spot(spot, 8, 0, true);
	assert_int_equal(spot.argument[0], SPOT_SI);
	assert_int_equal(spot.argument[1], SPOT_DX);
}

/* mov %rsi,%rax; mul %rdx; mov %rax,%rsi; jo +0: the count is gone before the jump */
static void test_lost_argument(void **state)
{
	(void)state;
	assert_spot(find(CODE(0x48, 0x89, 0xf0, 0x48, 0xf7, 0xe2, 0x48, 0x89, 0xc6, 0x70, 0, 0xc3),
			 3, true),
		    0, 0, false);
}

/* xor %edi,%edi; jne +0: a write of the lower half is a write */
static void test_half_written_argument(void **state)
{
	(void)state;
	assert_spot(find(CODE(0x31, 0xff, 0x75, 0, 0xc3), 1, true), 0, 0, false);
}

/* lea 1(%rdi),%rax; again: test %rdi,%rdi; je out; jmp again: one call may come by je twice */
static void test_revisited_place(void **state)
{
	(void)state;
	assert_spot(
		find(CODE(0x48, 0x8d, 0x47, 0x01, 0x48, 0x85, 0xff, 0x74, 0x02, 0xeb, 0xf9, 0xc3),
		     1, true),
		0, 0, false);
}

/* sub $64,%rsp; and $-32,%rsp; call: the stack pointer is lost */
static void test_realigned_stack(void **state)
{
	(void)state;
	assert_spot(find(CODE(0x48, 0x83, 0xec, 0x40, 0x48, 0x83, 0xe4, 0xe0, 0xe8, 0, 0, 0, 0), 1,
			 false),
		    0, 0, false);
}

/* ret: nothing to emulate, the entry itself */
static void test_empty_function(void **state)
{
	(void)state;
	assert_spot(find(CODE(0xc3), 1, false), 0, 0, false);
}

static void test_no_code(void **state)
{
	struct spot_finder *finder = spot_finder_create();
	const unsigned char bad[] = {0x06};
	struct spot spot;

	(void)state;
	assert_non_null(finder);
	assert_int_equal(spot_find(finder, &spot, bad, sizeof(bad), 1, false), -ENOEXEC);
	spot_finder_destroy(finder);
}

static int collect(void *context, const struct spot_branch *branch)
{
	struct spot_branch **next = context;

	*(*next)++ = *branch;
	return 0;
}

/* call 0x2000; je (inside); call 0x3000; jmp 0x4000: only what leaves, and what is sure to be met
 */
static void test_branches(void **state)
{
	const unsigned char code[] = {
		0xe8, 0xfb, 0x0f, 0, 0, /* 1000: call 2000 */
		0x74, 0x05,             /* 1005: je 100c */
		0xe8, 0xf4, 0x1f, 0, 0, /* 1007: call 3000 */
		0xe9, 0xef, 0x2f, 0, 0, /* 100c: jmp 4000 */
	};
	struct spot_finder *finder = spot_finder_create();
	struct spot_branch found[8], *next = found;

	(void)state;
	assert_non_null(finder);
	assert_int_equal(spot_branches(finder, code, sizeof(code), 0x1000, collect, &next), 0);
	spot_finder_destroy(finder);
	assert_int_equal(next - found, 3);
	assert_int_equal(found[0].target, 0x2000);
	assert_true(found[0].call && found[0].straight);
	assert_int_equal(found[1].target, 0x3000);
	assert_true(found[1].call && !found[1].straight);
	assert_int_equal(found[2].target, 0x4000);
	assert_true(!found[2].call && !found[2].straight);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_at_entry),
		cmocka_unit_test(test_first_branch),
		cmocka_unit_test(test_forwarding_jump),
		cmocka_unit_test(test_stack_is_followed),
		cmocka_unit_test(test_moved_argument),
		cmocka_unit_test(test_two_moved_arguments),
		cmocka_unit_test(test_lost_argument),
		cmocka_unit_test(test_half_written_argument),
		cmocka_unit_test(test_revisited_place),
		cmocka_unit_test(test_realigned_stack),
		cmocka_unit_test(test_empty_function),
		cmocka_unit_test(test_no_code),
		cmocka_unit_test(test_branches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
