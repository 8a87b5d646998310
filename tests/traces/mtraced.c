/* Calls every function that glibc's mtrace logs, once in every way. MALLOC_TRACE names the log. */
#include <malloc.h>
#include <mcheck.h>
#include <stdint.h>
#include <stdlib.h>

/* The compiler is not to know what becomes of the blocks. */
static void *volatile kept;
static volatile size_t huge = PTRDIFF_MAX / 2;

static void *keep(void *ptr)
{
	kept = ptr;
	return kept;
}

int main(void)
{
	void *a, *b, *c;

	mtrace();
	a = keep(malloc(10));
	a = keep(realloc(a, 12));
	a = keep(realloc(a, 200000));
	b = keep(calloc(3, 5));
	c = keep(realloc(NULL, 7));
	keep(realloc(c, 0));
	c = keep(memalign(64, 100));
	keep(realloc(keep(c), huge));
	keep(malloc(huge));
	free(b);
	free(NULL);
	if (posix_memalign(&b, 128, 33))
		return 1;
	free(b);
	keep(malloc(0));
	free(c);
	muntrace();
	free(a);
	return 0;
}
