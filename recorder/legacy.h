/* What a forked child takes along of its parent's, from the fork record until its first call. */
#ifndef RECORDER_LEGACY_H
#define RECORDER_LEGACY_H

#include "account.h"

struct legacy {
	uint32_t child; /* its number in the session */
	struct objects objects;
	struct account account;
	struct legacy *next; /* on a list */
};

/* Of a child that is forked now: copies; NULL: no memory. */
struct legacy *legacy_create(uint32_t child, const struct objects *objects,
			     const struct account *account);
void legacy_destroy(struct legacy *legacy);

/* A child's, which stays on the list or is taken from it; NULL: there is none. */
struct legacy *legacy_find(struct legacy *list, uint32_t child);
struct legacy *legacy_take(struct legacy **list, uint32_t child);

#endif
