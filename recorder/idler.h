/*
 * A thread that works while a processor has nothing else to do (SCHED_IDLE), and never at the same
 * time as the one that gives it work. It takes part in what the two share only between
 * idler_resume() and idler_pause().
 */
#ifndef RECORDER_IDLER_H
#define RECORDER_IDLER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct idler {
	pthread_t thread;
	pthread_mutex_t mutex; /* held by whoever works */
	pthread_cond_t called;
	bool given, over;
	_Atomic bool hurry; /* the work is to be left soon, done or not */
	bool (*work)(void *context);
	void *context;
};

/* Starts the thread, which waits to be given work. work: returns whether it is done. Returns 0 or a
 * negative errno. */
int idler_start(struct idler *i, bool (*work)(void *context), void *context);

/* The caller works from now on. True: the work that was given is done, or there was none. */
bool idler_pause(struct idler *i);

/* The thread may work; give: there is work for it. */
void idler_resume(struct idler *i, bool give);

/* Ends the thread; the caller works. */
void idler_stop(struct idler *i);

#endif
