/* What a trace says of its process and machine. */
#ifndef RECORDER_FACTS_H
#define RECORDER_FACTS_H

#include "process.h"

/* The facts that are known at the start. */
void facts_add(struct trace_writer *writer, const struct process *p);

#endif
