/* Where the calling thread's own stack begins, as traces/sitekey.h counts heights. */
#ifndef RECORDER_STACKBASE_H
#define RECORDER_STACKBASE_H

#include <stdbool.h>
#include <stdint.h>

/* Learns what is needed; once, before the other. */
void stackbase_open(void);

/* main: the process's first thread. 0 when it cannot be known. */
uintptr_t stackbase_find(bool main);

/* The word that the kernel put where the main thread's stack begins: argc, then the arguments.
 * NULL: the C library is not glibc. */
const void *stackbase_main(void);

#endif
