/*
 * A dead man's switch: rings a session's bell unless it is set anew again and again. A thread of
 * its own waits for it, so that nobody else need wake.
 */
#ifndef RECORDER_DEADMAN_H
#define RECORDER_DEADMAN_H

#include "session.h"

#include <pthread.h>

struct deadman {
	struct session *session;
	pthread_t thread;
	int timer; /* -1: there is none */
	_Atomic bool over;
};

/* d must stay. It rings once, so many nanoseconds after it was set last. */
void deadman_start(struct deadman *d, struct session *s);
void deadman_set(struct deadman *d, uint64_t ns);
void deadman_stop(struct deadman *d);

static inline bool deadman_watches(const struct deadman *d)
{
	return d->timer >= 0;
}

#endif
