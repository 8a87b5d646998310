/*
 * How a program comes to be recorded: the first call of a process attaches it to the session, the
 * first call of a thread gives it a pen, the first call after a fork makes a process of its own.
 * Whatever goes wrong, the program goes on, unrecorded.
 */
#ifndef RECORDER_GUEST_H
#define RECORDER_GUEST_H

#include "pen.h"

/* This thread's pen; never NULL. */
extern __thread struct pen *guest_pen __attribute__((tls_model("initial-exec")));

/* All ones, or 0 when sites are not recorded. */
extern uintptr_t guest_site_mask;

/*
 * A hook's way in when the pen is not ready. addr, frame: the caller's return address and frame.
 * NULL: the call is to be passed on unrecorded.
 */
struct pen *guest_enter(uintptr_t addr, uintptr_t frame);

/* The program closed a module, which may be gone. */
void guest_closed(void);

#endif
