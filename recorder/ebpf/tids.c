#include "tids.h"

#include <stdlib.h>

static struct tracee_thread **bucket_of(struct tids *t, uint32_t tid)
{
	return &t->buckets[tid % TIDS_BUCKETS];
}

struct tracee_thread *tids_search(struct tids *t, uint32_t tid)
{
	struct tracee_thread *thread = *bucket_of(t, tid);

	while (thread && thread->tid != tid)
		thread = thread->next;
	if (thread)
		t->last = thread;
	return thread;
}

/* Takes out what the place points to. */
static void take_out(struct tids *t, struct tracee_thread **at)
{
	struct tracee_thread *thread = *at;

	if (t->last == thread)
		t->last = NULL;
	*at = thread->next;
	for (unsigned i = 0; i < TIDS_BUCKETS && thread->guests; i++)
		for (struct tracee_thread *other = t->buckets[i]; other; other = other->next)
			if (other->host == thread)
				other->host = NULL;
	if (thread->host)
		thread->host->guests--;
	free(thread);
}

void tids_remove(struct tids *t, uint32_t tid)
{
	for (struct tracee_thread **at = bucket_of(t, tid); *at; at = &(*at)->next)
		if ((*at)->tid == tid) {
			take_out(t, at);
			return;
		}
}

void tids_remove_process(struct tids *t, uint32_t pid, const struct tracee *tracee)
{
	for (unsigned i = 0; i < TIDS_BUCKETS; i++)
		for (struct tracee_thread **at = &t->buckets[i]; *at;)
			if ((*at)->pid == pid || (*at)->tracee == tracee)
				take_out(t, at);
			else
				at = &(*at)->next;
}

struct tracee_thread *tids_add(struct tids *t, uint32_t tid, uint32_t pid, struct tracee *tracee)
{
	struct tracee_thread *thread = calloc(1, sizeof(*thread));

	tids_remove(t, tid);
	if (!thread)
		return NULL;
	thread->tid = tid;
	thread->pid = pid;
	thread->tracee = tracee;
	thread->next = *bucket_of(t, tid);
	*bucket_of(t, tid) = thread;
	return thread;
}
