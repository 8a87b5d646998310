/*
 * A thread that does a little work again and again while a processor has nothing else to do
 * (SCHED_IDLE): it gives way to whoever wakes. It never works at the same time as its owner.
 *
 * It may be left waiting for a processor at any point, and its owner with it. What it did while
 * others waited for that processor the kernel makes it wait for 300 times as long: hence little at
 * a time. And it falls asleep seldom: while it does, or wakes, its processor does not count as free
 * for those whom the kernel wakes in that moment.
 */
#ifndef RECORDER_IDLER_H
#define RECORDER_IDLER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct idler {
	pthread_mutex_t mutex; /* held by whoever works */
	pthread_cond_t called;
	bool wanted, over;
	_Atomic bool paused;             /* the owner has the mutex, or is to have it next */
	unsigned wary;                   /* pauses to come until it works again, ... */
	unsigned wariness;               /* ... and how many there are to be the next time */
	uint64_t (*work)(void *context); /* for 0.1 ms; returns in how many ns there is more */
	void *context;
};

/* Starts the thread, if it can be had; its owner, the caller, works. */
void idler_start(struct idler *i, uint64_t (*work)(void *context), void *context);

/* The thread may work, if that is wanted, until idler_pause() returns. When it was left without a
 * processor amidst its work, and its owner waiting, it is a while until it works again, and each
 * time a longer one. */
void idler_resume(struct idler *i, bool wanted);
void idler_pause(struct idler *i);

/* The thread works no more; its owner does. It ends by itself: i must stay. */
void idler_stop(struct idler *i);

#endif
