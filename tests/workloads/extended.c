/*
 * extended: calls the functions that jemalloc has besides the standard's, where the allocator has
 * them, and says which of them it found.
 */
#include "say.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum { ALIGN_256 = 8, ZERO = 64, STAYS = 310, MOVES = 1 << 20 };

void *mallocx(size_t size, int flags) __attribute__((weak));
void *rallocx(void *ptr, size_t size, int flags) __attribute__((weak));
size_t xallocx(void *ptr, size_t size, size_t extra, int flags) __attribute__((weak));
void dallocx(void *ptr, int flags) __attribute__((weak));
void sdallocx(void *ptr, size_t size, int flags) __attribute__((weak));

static void call_all(void)
{
	void *plain = mallocx(301, 0);
	void *aligned = mallocx(302, ALIGN_256);
	void *zeroed = mallocx(303, ZERO);
	void *standard = malloc(304);
	void *blocked = mallocx(305, 0);

	plain = rallocx(plain, 30100, 0);
	if (xallocx(zeroed, STAYS, 0, 0) < STAYS || xallocx(blocked, MOVES, 0, 0) >= MOVES)
		abort();
	dallocx(plain, 0);
	sdallocx(aligned, 302, ALIGN_256);
	free(zeroed);
	dallocx(standard, 0);
	free(blocked);
}

int main(void)
{
	bool all = mallocx && rallocx && xallocx && dallocx && sdallocx;

	say("mallocx %d rallocx %d xallocx %d dallocx %d sdallocx %d\n", mallocx != NULL,
	    rallocx != NULL, xallocx != NULL, dallocx != NULL, sdallocx != NULL);
	if (all)
		call_all();
	return all ? 0 : 3;
}
