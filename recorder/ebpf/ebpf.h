/* hakrec with the eBPF backend: runs a program or attaches to one, and reports. */
#ifndef RECORDER_EBPF_H
#define RECORDER_EBPF_H

#include "recorder/options.h"
#include "recorder/target.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether this process may and this kernel can; reason (of bytes) says why not. */
bool ebpf_possible(char *reason, size_t bytes);

/* Runs the program and ends like it, or with 1 when recording failed. */
_Noreturn void ebpf_run(const struct options *options, const struct target *target);

/* Records the process options->pid until it ends, the duration is over, or Ctrl-C. */
_Noreturn void ebpf_attach(const struct options *options);

#endif
