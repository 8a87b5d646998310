/* The path of a program as it was executed. Async-signal-safe, sets errno. */
#ifndef RECORDER_EXECUTABLE_H
#define RECORDER_EXECUTABLE_H

#include <limits.h>
#include <stddef.h>

/* Path of the file that a process runs, symbolic links resolved. Returns its length, 0: unknown.
 * proc: /proc/self or /proc/PID. */
size_t executable_resolved(const char *proc, char path[PATH_MAX]);

/*
 * As it was executed: executed (AT_EXECFN) made absolute if it names that file, else (a script, a
 * descriptor) the resolved path. Returns its length, 0: unknown.
 */
size_t executable_path(const char *proc, const char *executed, char path[PATH_MAX]);

#endif
