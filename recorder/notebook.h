/* A process's notes as hakrec reads them: pieces put together again. */
#ifndef RECORDER_NOTEBOOK_H
#define RECORDER_NOTEBOOK_H

#include "inlet.h"
#include "note.h"

struct notebook {
	struct inlet inlet;
	char *bytes; /* head and payload of the note in the making */
	size_t filled, room;
};

void notebook_open(struct notebook *b, struct session *s, uint32_t lane);
void notebook_close(struct notebook *b);

/*
 * The next note: its head, followed by its payload and then zeros enough to end a string. Valid
 * until the next call. NULL: none yet.
 */
const struct note_head *notebook_next(struct notebook *b);

#endif
