/*
 * The thread cache: for each Tiny class a stack of free blocks, most recently freed first. Bottom
 * of each stack is a NULL, so that an empty one needs no test of its own; full is where top meets
 * limit. It lives in the thread's TLS block while the thread runs, in its heap before and after.
 */
#ifndef CACHE_H
#define CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "class.h"

struct heap;

struct cache {
	void **top[CLASS_TINY_END];   /* the slot after the last block */
	void **limit[CLASS_TINY_END]; /* where top may not pass */
	uint8_t cls[TINY_UNITS];      /* class_by_units, near at hand */
	/* The map's word of the blocks of each class that belong on the stack. */
	uint32_t word[CLASS_WORDS];
	bool exited;   /* the thread is past its allocator's end: it gets no heap again */
	uint64_t left; /* allocations to the next step of learning; runs on when there is none */
	size_t direct; /* so many sizes above Tiny are looked for on the heap's stacks; 0: none */
	struct heap *heap; /* NULL: none yet */
};

/* No granule has this word. */
#define CACHE_NO_WORD UINT32_MAX

/* What a new heap begins with: CACHE_EMPTY, but for what the options change. */
extern HIDDEN struct cache cache_first;

/* Slots of a stack that is empty and full at once; [0] is the NULL below. */
extern HIDDEN void *cache_none[2];

#define CACHE_EMPTY                                                                                \
	{                                                                                          \
		.top = {[0 ... CLASS_TINY_END - 1] = &cache_none[1]},                              \
		.limit = {[0 ... CLASS_TINY_END - 1] = &cache_none[1]}, .cls = CLASS_BY_UNITS,     \
		.word = {[0 ... CLASS_WORDS - 1] = CACHE_NO_WORD},                                 \
	}

/*
 * Once, before the first heap. routed: no call may be served before its route (route.h) was asked,
 * so every size has the class whose stack is always empty.
 */
void cache_init(bool routed, unsigned left);

extern HIDDEN __thread struct cache cache_self __attribute__((tls_model("initial-exec")));

#endif
