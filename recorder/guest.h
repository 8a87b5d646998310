/*
 * How a program comes to be recorded: the first call of a process attaches it to the session, the
 * first call of a thread gives it a pen, the first call after a fork makes a process of its own.
 * Whatever goes wrong, the program goes on, unrecorded.
 */
#ifndef RECORDER_GUEST_H
#define RECORDER_GUEST_H

#include "pen.h"

#include <sys/types.h>

/* This thread's pen; never NULL. */
extern __thread struct pen *guest_pen
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/*
 * A hook's way in when the pen is not ready. frame: the hook's canonical frame address. NULL: the
 * call is to be passed on unrecorded.
 */
struct pen *guest_enter(const uintptr_t *frame);

/* Does something whose calls are not the program's. */
void guest_aside(void (*work)(void));

/* The program closed a module, which may be gone. */
void guest_closed(void);

/* Calls are lost that were in progress when this child was forked: to be counted as its own. */
void guest_missed(unsigned calls);

/* Forks where the C library calls no handlers. frame: its hook's. */
pid_t guest_fork_plainly(pid_t (*real_fork)(void), const uintptr_t *frame);

/* The process is about to end. */
void guest_ended(void);

#endif
