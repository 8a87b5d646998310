/* The edge cases of the C library's contract, on the functions of hakmem.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "allocator/hakmem.h"
#include "allocator/libc.h"

static void malloc_0_gives_unique_blocks(void **state)
{
	void *a = hak_malloc(0), *b = hak_malloc(0);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	hak_free(a);
	hak_free(b);
}

static void free_keeps_errno_and_takes_null(void **state)
{
	(void)state;
	errno = 77;
	hak_free(NULL);
	hak_free(hak_malloc(10));
	hak_free(hak_malloc(100000));
	hak_free(hak_malloc(100 << 20));
	assert_int_equal(errno, 77);
}

static void realloc_follows_glibc(void **state)
{
	char *ptr = hak_realloc(NULL, 100);

	(void)state;
	assert_non_null(ptr);
	strcpy(ptr, "kept");
	ptr = hak_realloc(ptr, 1 << 20);
	assert_string_equal(ptr, "kept");
	ptr = hak_realloc(ptr, 10 << 20);
	assert_string_equal(ptr, "kept");
	ptr = hak_realloc(ptr, 5);
	assert_string_equal(ptr, "kept");
	assert_true(hak_usable_size(ptr) < 4096);
	assert_null(hak_realloc(ptr, 0));
}

static void a_failed_realloc_leaves_the_block(void **state)
{
	char *ptr = hak_malloc(50), *large = hak_malloc(4 << 20);

	(void)state;
	strcpy(ptr, "alive");
	strcpy(large, "alive");
	errno = 0;
	assert_null(hak_realloc(ptr, PTRDIFF_MAX));
	assert_int_equal(errno, ENOMEM);
	assert_null(hak_realloc(large, (size_t)PTRDIFF_MAX + 1));
	assert_string_equal(ptr, "alive");
	assert_string_equal(large, "alive");
	hak_free(ptr);
	hak_free(large);
}

static void absurd_sizes_fail_with_enomem(void **state)
{
	static const size_t size[] = {
		PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX - 1,
		SIZE_MAX,    SIZE_MAX - 15,           SIZE_MAX - 14};

	(void)state;
	for (size_t at = 0; at < sizeof(size) / sizeof(size[0]); at++) {
		errno = 0;
		assert_null(hak_malloc(size[at]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(hak_memalign(4096, size[at]));
		assert_int_equal(errno, ENOMEM);
		errno = 0;
		assert_null(hak_calloc(1, size[at]));
		assert_int_equal(errno, ENOMEM);
	}
	errno = 0;
	assert_null(hak_calloc(SIZE_MAX / 2, 3));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(libc_reallocarray(NULL, SIZE_MAX / 2, 3));
	assert_int_equal(errno, ENOMEM);
	errno = 0;
	assert_null(libc_pvalloc(SIZE_MAX - 10));
	assert_int_equal(errno, ENOMEM);
}

static void every_alignment_holds_for_every_size(void **state)
{
	(void)state;
	for (size_t align = 1; align <= (size_t)64 << 20; align *= 2)
		for (size_t size = 0; size <= (size_t)5 << 20; size += size * 3 / 2 + 1) {
			char *ptr = hak_memalign(align, size), *other = hak_memalign(align, size);

			assert_non_null(ptr);
			assert_non_null(other);
			assert_int_equal((uintptr_t)ptr % align, 0);
			assert_int_equal((uintptr_t)other % align, 0);
			assert_true(hak_usable_size(ptr) >= size);
			if (size) {
				ptr[0] = ptr[size - 1] = 1;
				other[0] = other[size - 1] = 2;
				assert_int_equal(ptr[0], 1);
			}
			hak_free(other);
			hak_free(ptr);
		}
}

static void odd_alignments_follow_glibc(void **state)
{
	void *ptr = hak_memalign(48, 100), *kept = &ptr;

	(void)state;
	assert_int_equal((uintptr_t)ptr % 64, 0);
	hak_free(ptr);
	errno = 0;
	assert_null(hak_memalign(SIZE_MAX / 2 + 2, 10));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(libc_posix_memalign(&kept, 0, 10, NULL), EINVAL);
	assert_int_equal(libc_posix_memalign(&kept, 4, 10, NULL), EINVAL);
	assert_int_equal(libc_posix_memalign(&kept, 24, 10, NULL), EINVAL);
	assert_int_equal(libc_posix_memalign(&kept, 16, SIZE_MAX, NULL), ENOMEM);
	assert_ptr_equal(kept, &ptr);
	assert_int_equal(libc_posix_memalign(&kept, 8, 10, NULL), 0);
	hak_free(kept);
}

static void page_functions_round(void **state)
{
	void *ptr = libc_valloc(10), *whole = libc_pvalloc(4097);

	(void)state;
	assert_int_equal((uintptr_t)ptr % 4096, 0);
	assert_int_equal((uintptr_t)whole % 4096, 0);
	assert_true(hak_usable_size(whole) >= 8192);
	hak_free(ptr);
	hak_free(whole);
}

static void calloc_clears_what_was_used(void **state)
{
	static const size_t size[] = {1, 15, 100, 1024, 5000, 32768, 70000, 1 << 20, 3 << 20};

	(void)state;
	for (int round = 0; round < 3; round++)
		for (size_t at = 0; at < sizeof(size) / sizeof(size[0]); at++) {
			unsigned char *ptr = hak_calloc(size[at], 1);

			for (size_t byte = 0; byte < size[at]; byte++)
				assert_int_equal(ptr[byte], 0);
			memset(ptr, 0xee, hak_usable_size(ptr));
			hak_free(ptr);
		}
}

static void usable_size_may_be_used(void **state)
{
	(void)state;
	assert_int_equal(hak_usable_size(NULL), 0);
	for (size_t size = 0; size < (size_t)5 << 20; size += size / 3 + 1) {
		char *a = hak_malloc(size), *b = hak_malloc(size);

		assert_true(hak_usable_size(a) >= size);
		memset(a, 1, hak_usable_size(a));
		memset(b, 2, hak_usable_size(b));
		for (size_t byte = 0; byte < hak_usable_size(a); byte += 61)
			assert_int_equal(a[byte], 1);
		hak_free(a);
		hak_free(b);
	}
}

static void the_block_freed_last_is_reused_first(void **state)
{
	(void)state;
	for (size_t size = 1; size <= 256 << 10; size += size / 2 + 1) {
		void *a = hak_malloc(size), *b = hak_malloc(size);

		hak_free(a);
		hak_free(b);
		assert_ptr_equal(hak_malloc(size), b);
		hak_free(b);
	}
}

static void a_growing_block_keeps_its_place(void **state)
{
	char *ptr = hak_malloc(64 << 10);
	int moves = 0;

	(void)state;
	for (size_t size = 64 << 10; size < (size_t)64 << 20; size += 64 << 10) {
		char *grown = hak_realloc(ptr, size);

		moves += grown != ptr;
		ptr = grown;
		ptr[size - 1] = 1;
	}
	hak_free(ptr);
	assert_true(moves < 40);
}

static void counters_can_be_read(void **state)
{
	struct hak_stats stats = {.size = sizeof(stats)}, small = {.size = 16};

	(void)state;
	assert_int_equal(hak_stats_get(&stats), 0);
	assert_int_equal(stats.version, HAK_STATS_VERSION);
	assert_int_equal(stats.size, sizeof(stats));
	assert_true(stats.refills > 0);
	assert_true(stats.mapped_peak_bytes >= stats.mapped_bytes);
	assert_int_equal(hak_stats_get(&small), 0);
	assert_int_equal(small.mapped_bytes, stats.mapped_bytes);
	assert_int_equal(small.mapped_peak_bytes, 0);
	small.size = 4;
	assert_int_equal(hak_stats_get(&small), -EINVAL);
	assert_string_equal(hak_version(), HAK_VERSION);
}

static void trim_returns_memory(void **state)
{
	static char *block[1000];
	struct hak_stats before = {.size = sizeof(before)}, after = {.size = sizeof(after)};

	(void)state;
	for (int at = 0; at < 1000; at++) {
		block[at] = hak_malloc(20000);
		memset(block[at], 1, 20000);
	}
	for (int at = 0; at < 1000; at++)
		hak_free(block[at]);
	hak_stats_get(&before);
	assert_int_equal(hak_trim(0), 1);
	hak_stats_get(&after);
	assert_true(after.purged_bytes >= before.purged_bytes + 1000 * 20000 * 3 / 4);
	assert_int_equal(hak_trim(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malloc_0_gives_unique_blocks),
		cmocka_unit_test(free_keeps_errno_and_takes_null),
		cmocka_unit_test(realloc_follows_glibc),
		cmocka_unit_test(a_failed_realloc_leaves_the_block),
		cmocka_unit_test(absurd_sizes_fail_with_enomem),
		cmocka_unit_test(every_alignment_holds_for_every_size),
		cmocka_unit_test(odd_alignments_follow_glibc),
		cmocka_unit_test(page_functions_round),
		cmocka_unit_test(calloc_clears_what_was_used),
		cmocka_unit_test(usable_size_may_be_used),
		cmocka_unit_test(the_block_freed_last_is_reused_first),
		cmocka_unit_test(a_growing_block_keeps_its_place),
		cmocka_unit_test(counters_can_be_read),
		cmocka_unit_test(trim_returns_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
