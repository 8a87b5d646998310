/* What the kernel part tells, message by message: of processes, threads, files and calls. */
#ifndef RECORDER_MESSAGES_H
#define RECORDER_MESSAGES_H

#include "tracees.h"

struct messages {
	struct tracees tracees;
	uint64_t strays; /* calls of threads that are not known */
	uint32_t taken;  /* calls, for the pace */
};

/* Takes one; context: struct messages. Returns 0, or -EAGAIN now and then, so that its caller looks
 * at other things too. */
int messages_take(void *context, const struct ring_head *message, size_t bytes);

/* When there are no more: the calls that were dropped and that no message has told. */
void messages_settle(struct messages *m);

#endif
