/*
 * edges: calls at the edges of the standard, one of each, in a fixed order: zero sizes, overflow,
 * sizes and alignments that no allocator can give, realloc of NULL and to 0. Prints what the
 * program saw of each: success or failure and errno. Sizes are unique, so that a trace's rows can
 * be told apart.
 */
#include "say.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

/* Known to the program, not to the compiler, which would warn or fold the call. */
static volatile size_t zero = 0;
static volatile size_t too_big = SIZE_MAX / 2 + 1;
static volatile size_t half = SIZE_MAX / 2;

static void *told(const char *call, void *block, int error)
{
	say("%s %s %d\n", call, block ? "block" : "null", error);
	return block;
}

/* Evaluates a call that gives a block with errno cleared, prints it, returns the block. */
#define TELL(call)                                                                                 \
	({                                                                                         \
		void *got;                                                                         \
		errno = 0;                                                                         \
		got = (call);                                                                      \
		told(#call, got, errno);                                                           \
	})

/* The same for posix_memalign, which returns the error and leaves the pointer. */
#define TELL_POSIX(align, size)                                                                    \
	({                                                                                         \
		void *got = NULL;                                                                  \
		int error = posix_memalign(&got, align, size);                                     \
		told("posix_memalign(&got, " #align ", " #size ")", got, error);                   \
	})

static void zero_sizes(void)
{
	void *block;

	free(TELL(malloc(zero)));
	free(TELL(calloc(zero, 8)));
	free(TELL(calloc(8, zero)));
	block = TELL(malloc(101));
	TELL(realloc(block, zero));
	block = TELL(malloc(102));
	TELL(reallocarray(block, zero, 16));
	free(TELL(realloc(NULL, zero)));
	errno = EXDEV;
	free(NULL);
	say("free(NULL) %d\n", errno);
}

static void failures(void)
{
	void *block = TELL(malloc(201));

	TELL(malloc(too_big));
	TELL(calloc(half, 3));
	TELL(calloc(1, too_big));
	TELL(realloc(block, too_big));
	TELL(reallocarray(block, half, 4));
	TELL(memalign(64, too_big));
	TELL(aligned_alloc(64, too_big));
	TELL_POSIX(64, too_big);
	TELL_POSIX(24, 203);
	TELL_POSIX(2, 204);
	TELL(valloc(too_big));
	TELL(pvalloc(too_big));
	errno = EXDEV;
	free(block);
	say("free(block) %d\n", errno);
}

static void aligned(void)
{
	free(TELL(memalign(128, 301)));
	free(TELL(aligned_alloc(256, 302)));
	free(TELL_POSIX(4096, 303));
	free(TELL(valloc(304)));
	free(TELL(pvalloc(305)));
	free(TELL(memalign(1 << 20, 306)));
}

static void resized(void)
{
	void *block = TELL(realloc(NULL, 401));

	block = TELL(realloc(block, 400));
	block = TELL(realloc(block, 40100));
	block = TELL(reallocarray(block, 403, 2));
	errno = EXDEV;
	say("malloc_usable_size %s %d\n", malloc_usable_size(block) >= 806 ? "enough" : "short",
	    errno);
	free(block);
	free(TELL(reallocarray(NULL, 5, 81)));
}

/* Blocks that stay where they are, and one that has no room to. */
static void moved(void)
{
	void *block = TELL(malloc(70001));
	void *behind = TELL(malloc(70002));
	uintptr_t old = (uintptr_t)block;

	block = TELL(realloc(block, 70000));
	say("shrunk %s\n", (uintptr_t)block == old ? "in place" : "elsewhere");
	block = TELL(realloc(block, 100003));
	say("grown %s\n", (uintptr_t)block == old ? "in place" : "elsewhere");
	free(block);
	free(behind);
	block = TELL(malloc(50 << 20));
	block = TELL(realloc(block, 51 << 20));
	free(block);
}

int main(void)
{
	zero_sizes();
	failures();
	aligned();
	resized();
	moved();
	return 0;
}
