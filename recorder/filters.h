/* Filters of system calls (seccomp): whoever lives under one may be killed for a call. */
#ifndef RECORDER_FILTERS_H
#define RECORDER_FILTERS_H

/* How many the calling process has; -1: that cannot be told. */
int filters_count(void);

#endif
