/* Writing this process's notes (note.h): one writer at a time, from any thread. */
#ifndef RECORDER_NOTEPAD_H
#define RECORDER_NOTEPAD_H

#include "note.h"

#include <stdbool.h>
#include <stddef.h>

struct notepad_part {
	const void *data;
	size_t bytes;
};

/*
 * The notepad is locked while the table of sites changes and while notes are written. False: this
 * very thread holds the lock (a signal handler interrupted it), or there are no notes.
 */
bool notepad_lock(void);
void notepad_unlock(void);

/* Starts the notes of a process; the lock is free then, whoever held it before a fork. */
bool notepad_open(void);

/* In a forked child: its parent's notes are none of its. */
void notepad_close(void);

/* Writes one note, its payload in parts; locked. False: there was no room. */
bool notepad_write(enum note_kind kind, const struct notepad_part *parts, size_t count);

#endif
