/* hakrec's side of a session: making it, filling in what guests read. */
#ifndef RECORDER_HOST_H
#define RECORDER_HOST_H

#include "session.h"

struct host {
	struct session *session;
	char name[16]; /* of the memory, for SESSION_ENV */
};

/* Returns 0 or a negative errno. The session lasts as long as the calling thread. mode: enum
 * session_mode. */
int host_open(struct host *h, uint32_t mode);
void host_close(struct host *h);

#endif
