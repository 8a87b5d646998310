/*
 * Call sites in the running program: from the frame of a call to the rule of its site. The key is
 * the recorder's (traces/sitekey.h). It is computed when a place in the program is first seen and
 * remembered by address and height.
 */
#ifndef SITE_H
#define SITE_H

#include <stdint.h>

#include "rule.h"

/* Once, when allocation works: what the C library tells about stacks. */
void site_open(void);

/* A module was unloaded: its addresses may come to mean something else. */
void site_forget(void);

/* The rule of the call whose frame is at base (see route.h), among those that are possible. */
const struct rule *site_find(const uintptr_t *base);

#endif
