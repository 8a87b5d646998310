/* Walks copied stacks by the modules' call frame information, without the process. */
#ifndef RECORDER_UNWINDER_H
#define RECORDER_UNWINDER_H

#include "modules.h"
#include "note.h"

struct unwinder;

/* NULL: no memory. */
struct unwinder *unwinder_create(void);
void unwinder_destroy(struct unwinder *u);

/* What an address lies in; NULL: nothing known. */
struct unwinder_space {
	struct module *(*find)(void *context, uint64_t addr);
	void *context;
};

/* Return addresses of a stack, innermost first, as far as it can be walked; at least one. */
size_t unwinder_walk(struct unwinder *u, const struct note_stack *stack,
		     const struct unwinder_space *space, uint64_t *addrs, size_t room);

#endif
