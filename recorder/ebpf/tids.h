/* The threads of all followed processes, by their system-wide number. */
#ifndef RECORDER_TIDS_H
#define RECORDER_TIDS_H

#include "tracee.h"

#define TIDS_BUCKETS 4096u

struct tids {
	struct tracee_thread *buckets[TIDS_BUCKETS];
	struct tracee_thread *last; /* found last */
};

/* A new one, in the place of one of the same number. NULL: no memory. */
struct tracee_thread *tids_add(struct tids *t, uint32_t tid, uint32_t pid, struct tracee *tracee);
void tids_remove(struct tids *t, uint32_t tid);

/* Forgets the threads of a process, and those of others that run in the memory of one (NULL: of
 * none). */
void tids_remove_process(struct tids *t, uint32_t pid, const struct tracee *tracee);

/* Slow path of tids_find(). */
struct tracee_thread *tids_search(struct tids *t, uint32_t tid);

/* NULL: not known. */
static inline struct tracee_thread *tids_find(struct tids *t, uint32_t tid)
{
	if (__builtin_expect(t->last && t->last->tid == tid, 1))
		return t->last;
	return tids_search(t, tid);
}

#endif
