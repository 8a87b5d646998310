/*
 * Hooks that a signal handler has interrupted to fork. In the child they go on when the handler
 * returns, with a pen that is wiped, and maybe in the middle of a record in their parent's lane.
 * There they are to write to nowhere.
 */
#ifndef RECORDER_LEFTOVER_H
#define RECORDER_LEFTOVER_H

#include "pen.h"

/* Before a fork: the pens of the calling thread, from the first on; up to another one (NULL: to the
 * last) hooks are in progress. */
void leftover_note(struct pen *first, const struct pen *end);

/* In the child: cuts them off, and a hook that had only begun to look for its pen as well. Returns
 * how many calls were in progress, those included that this process has from its own parent. */
unsigned leftover_cut(void);

#endif
