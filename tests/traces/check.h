/* cmocka with the headers that it needs, and a file of a test's own. */
#ifndef CHECK_H
#define CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char check_path[] = "/tmp/test_trace.XXXXXX";

/* For cmocka_run_group_tests(): makes and removes the file check_path. */
static inline int check_make(void **state)
{
	int fd = mkstemp(check_path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static inline int check_remove(void **state)
{
	(void)state;
	return unlink(check_path);
}

#endif
