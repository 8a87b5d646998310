/*
 * The live line: what a recording has come to, on the last row of the terminal that standard error
 * is. The rows above scroll by themselves meanwhile, so that the program's output goes its way; a
 * program that takes the terminal's keys itself (an editor, a pager) has the whole of it.
 */
#ifndef RECORDER_TICKER_H
#define RECORDER_TICKER_H

#include "ledger.h"

#include <pthread.h>

/* Sums over all processes of a recording, those that ended too. */
struct ticker_figures {
	uint64_t events, lost, threads, file_bytes;
	uint64_t live_bytes; /* of those that run */
	uint32_t processes;  /* that run */
};

struct ticker {
	pthread_mutex_t lock;
	bool on;
	bool plain;            /* without colour */
	unsigned short rows;   /* of the terminal, 0: nothing is shown */
	uint64_t shown_ns;     /* when it was last looked at, 0: never */
	uint64_t shown_events; /* then */
};

/* wanted false: shows nothing ever. */
void ticker_open(struct ticker *t, bool wanted);

/* Time has come for ticker_show(); now_ns counts from the recording's begin. */
static inline bool ticker_due(const struct ticker *t, uint64_t now_ns)
{
	return t && t->on && now_ns - t->shown_ns >= 500000000u;
}

void ticker_show(struct ticker *t, const struct ticker_figures *figures, uint64_t now_ns);

/* Gives the terminal back, until the next ticker_show(). */
void ticker_hide(struct ticker *t);

/* Adds a process that runs. */
void ticker_add(struct ticker_figures *figures, const struct ledger *ledger, uint32_t threads);

/* The line's text: figures and events a second, in size bytes. */
void ticker_text(char *text, size_t size, const struct ticker_figures *figures, double rate);

#endif
