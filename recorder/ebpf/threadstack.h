/* Where the stack of a thread begins that was made before anybody looked. */
#ifndef RECORDER_THREADSTACK_H
#define RECORDER_THREADSTACK_H

#include <stdint.h>
#include <sys/types.h>

/*
 * The stack pointer that the thread was started with, as traces/sitekey.h counts heights from; 0
 * when it cannot be found. Not for a process's first thread.
 */
uint64_t threadstack_begin(pid_t pid, uint64_t thread_pointer);

#endif
