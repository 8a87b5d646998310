#include "roster.h"

#include <stdlib.h>

static struct tracee_thread **bucket_of(struct roster *t, uint32_t tid)
{
	return &t->buckets[tid % ROSTER_BUCKETS];
}

struct tracee_thread *roster_search(struct roster *t, uint32_t tid)
{
	struct tracee_thread *thread = *bucket_of(t, tid);

	while (thread && thread->tid != tid)
		thread = thread->next;
	if (thread)
		t->last = thread;
	return thread;
}

/* Takes out what the place points to. */
static void take_out(struct roster *t, struct tracee_thread **at)
{
	struct tracee_thread *thread = *at;

	if (t->last == thread)
		t->last = NULL;
	*at = thread->next;
	for (unsigned i = 0; i < ROSTER_BUCKETS && thread->guests; i++)
		for (struct tracee_thread *other = t->buckets[i]; other; other = other->next)
			if (other->host == thread)
				other->host = NULL;
	if (thread->host)
		thread->host->guests--;
	free(thread);
}

void roster_remove(struct roster *t, uint32_t tid)
{
	for (struct tracee_thread **at = bucket_of(t, tid); *at; at = &(*at)->next)
		if ((*at)->tid == tid) {
			take_out(t, at);
			return;
		}
}

void roster_remove_process(struct roster *t, uint32_t pid)
{
	for (unsigned i = 0; i < ROSTER_BUCKETS; i++)
		for (struct tracee_thread **at = &t->buckets[i]; *at;)
			if ((*at)->pid == pid)
				take_out(t, at);
			else
				at = &(*at)->next;
}

struct tracee_thread *roster_add(struct roster *t, uint32_t tid, uint32_t pid,
				 struct tracee *tracee)
{
	struct tracee_thread *thread = calloc(1, sizeof(*thread));

	roster_remove(t, tid);
	if (!thread)
		return NULL;
	thread->tid = tid;
	thread->pid = pid;
	thread->tracee = tracee;
	thread->next = *bucket_of(t, tid);
	*bucket_of(t, tid) = thread;
	return thread;
}
