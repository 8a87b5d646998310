/* pages: what is promised in pages holds for the system's page, whatever its size. Prints "ok". */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t page;

static void require(int holds, const char *what)
{
	if (holds)
		return;
	printf("with pages of %zu bytes: %s\n", page, what);
	exit(1);
}

int main(void)
{
	size_t large = ((size_t)3 << 20) + 1;
	char *whale = malloc(large);
	char *paged = valloc(1), *whole = pvalloc(1);

	page = (size_t)sysconf(_SC_PAGESIZE);
	require(paged && (uintptr_t)paged % page == 0, "valloc is not aligned");
	require(whole && (uintptr_t)whole % page == 0, "pvalloc is not aligned");
	require(malloc_usable_size(whole) >= page, "pvalloc gives less than a page");
	require(whale && malloc_usable_size(whale) % page == 0, "a Whale ends within a page");
	memset(whale, 1, malloc_usable_size(whale));
	whale = realloc(whale, 3 * large);
	require(whale && whale[large - 1] == 1, "a Whale lost its contents");
	require(malloc_usable_size(whale) % page == 0, "a grown Whale ends within a page");
	free(whale);
	free(paged);
	free(whole);
	puts("ok");
	return 0;
}
