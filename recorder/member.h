/* This process's part in a session. */
#ifndef RECORDER_MEMBER_H
#define RECORDER_MEMBER_H

#include "session.h"

struct member {
	struct session *session;         /* NULL: not attached */
	struct session_process *process; /* a child's first call sets its own */
	uint32_t number;                 /* of process */
	bool off;                        /* for ever: calls are only passed on */
};

extern struct member member __attribute__((visibility("hidden")));

#endif
