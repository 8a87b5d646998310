/* The threads of all followed processes, by their system-wide number. */
#ifndef RECORDER_ROSTER_H
#define RECORDER_ROSTER_H

#include "tracee.h"

#define ROSTER_BUCKETS 4096u

struct roster {
	struct tracee_thread *buckets[ROSTER_BUCKETS];
	struct tracee_thread *last; /* found last */
};

/* A new one, in the place of one of the same number. NULL: no memory. */
struct tracee_thread *roster_add(struct roster *t, uint32_t tid, uint32_t pid,
				 struct tracee *tracee);
void roster_remove(struct roster *t, uint32_t tid);

/* Forgets the threads of a process. */
void roster_remove_process(struct roster *t, uint32_t pid);

/* Slow path of roster_find(). */
struct tracee_thread *roster_search(struct roster *t, uint32_t tid);

/* NULL: not known. */
static inline struct tracee_thread *roster_find(struct roster *t, uint32_t tid)
{
	if (__builtin_expect(t->last && t->last->tid == tid, 1))
		return t->last;
	return roster_search(t, tid);
}

#endif
