/* Numbers of variable length around each power of two: as FORMAT.md says, by every way to write
 * them, and read back. */
#include "traces/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* FORMAT.md's words: bytes of a number below 2^56. */
static unsigned bytes_of(uint64_t value)
{
	unsigned bytes = 1;

	while (value >> (7 * bytes))
		bytes++;
	return bytes;
}

static void expect(uint64_t value)
{
	uint8_t slow[16] = {0}, fast[16] = {0}, code[16] = {0};
	unsigned bytes = value < VARINT_FAST ? bytes_of(value) : 9;
	uint64_t back;

	assert_ptr_equal(varint_put(slow, value), slow + bytes);
	assert_ptr_equal(varint_get(slow, &back), slow + bytes);
	assert_int_equal(back, value);
	/* So many one-bits at the bottom, and the number above them. */
	if (bytes < 9)
		assert_int_equal(slow[0], (uint8_t)(value << bytes | ((1u << bytes >> 1) - 1)));
	else
		assert_int_equal(slow[0], 0xff);
	assert_ptr_equal(varint_put_positive(fast, value), fast + (value ? bytes : 0));
	if (value)
		assert_memory_equal(fast, slow, bytes);
	if (value >= (uint64_t)1 << 49)
		return;
	assert_ptr_equal(varint_put_code(code, varint_code(value)), code + (value ? bytes : 0));
	if (value)
		assert_memory_equal(code, slow, bytes);
}

static void test_around_powers_of_two(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++)
		for (uint64_t off = 0; off < 3; off++)
			expect(((uint64_t)1 << bit) + off - 1);
	expect(UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_around_powers_of_two)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
