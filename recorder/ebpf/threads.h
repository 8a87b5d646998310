/* The threads of all followed processes, by their system-wide number. */
#ifndef RECORDER_THREADS_H
#define RECORDER_THREADS_H

#include "tracee.h"

#define THREADS_BUCKETS 4096u

struct threads {
	struct tracee_thread *buckets[THREADS_BUCKETS];
	struct tracee_thread *last; /* found last */
};

/* A new one, in the place of one of the same number. NULL: no memory. */
struct tracee_thread *threads_add(struct threads *t, uint32_t tid, uint32_t pid,
				  struct tracee *tracee);
void threads_remove(struct threads *t, uint32_t tid);

/* Forgets the threads of a process. */
void threads_remove_process(struct threads *t, uint32_t pid);

/* Slow path of threads_find(). */
struct tracee_thread *threads_search(struct threads *t, uint32_t tid);

/* NULL: not known. */
static inline struct tracee_thread *threads_find(struct threads *t, uint32_t tid)
{
	if (__builtin_expect(t->last && t->last->tid == tid, 1))
		return t->last;
	return threads_search(t, tid);
}

#endif
