/*
 * How hakrec invites a program: it names the session's memory in the environment. Also how one says
 * that it does not come.
 */
#ifndef RECORDER_INVITATION_H
#define RECORDER_INVITATION_H

#include "session.h"

/* The session's memory, attached; NULL: there is no invitation, or none that holds, or it was
 * declined. */
struct session *invitation_accept(void);

/* Detaches it: the program, which is not recorded after all, has the address space. */
void invitation_return(struct session *s);

/* Takes hakrec's variables out of the environment, and leaves what else was preloaded. */
void invitation_hide(void);

/* Says on standard error that this process is not recorded, and why; error: an errno or 0. */
void invitation_decline(const char *why, int error);

#endif
