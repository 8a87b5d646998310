/*
 * Threads and their heaps: who owns which, from a thread's first slow operation to its end, and
 * across fork. Also the one-time start of the whole allocator.
 */
#ifndef THREAD_H
#define THREAD_H

#include "heap.h"

/*
 * The heap to work on in a slow path: the thread's own, made or adopted if need be; the shared and
 * now locked one where threads have none (tls=0, a thread past its end, too many). NULL: no memory.
 * Ends with thread_leave.
 */
struct heap *thread_enter(void);

/* The same for freeing a block whose owner has this tag: a thread without a heap takes that of a
 * dead owner. */
struct heap *thread_enter_to_free(uint32_t tag);

void thread_leave(struct heap *heap);

/* Gives back what it can of this thread's heap, of dead threads' heaps and of the shards. Bytes. */
size_t thread_trim(void);

/* The same for a thread that found no memory; false: there is nothing since it last did so. */
bool thread_relieve(void);

/* Runs once what must come before the first allocation. False: no memory. */
bool thread_start(void);

#endif
