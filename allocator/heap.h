/*
 * A heap: the slabs that one thread allocates from, and its stacks of free blocks. It belongs to
 * one thread at a time and outlives it: a dead thread's heap waits, whole, for the next thread.
 */
#ifndef HEAP_H
#define HEAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache.h"
#include "estate.h"
#include "outbox.h"
#include "stat.h"
#include "window.h"

/* Heaps that can exist at once; threads beyond share one. */
#define HEAP_MOST 65536
/* The heaps that may lie beside one, for blocks that rules keep apart. */
#define HEAP_POOLS_PINNED 8
enum heap_pool {
	HEAP_POOL_SHORT,  /* blocks that soon die */
	HEAP_POOL_LONG,   /* blocks that stay */
	HEAP_POOL_REMOTE, /* blocks that other threads free */
	HEAP_POOL_PINNED, /* the first of those that are only numbered */
	HEAP_POOLS = HEAP_POOL_PINNED + HEAP_POOLS_PINNED,
};
/* Slow operations between two steps of upkeep. */
#define HEAP_TICK 1024

enum heap_state {
	HEAP_LIVE,     /* a thread's own */
	HEAP_IDLE,     /* its thread is dead: anyone may claim it */
	HEAP_ORPHANED, /* its thread did not survive a fork: nobody may touch it */
};

#define HEAP_STACKS (CLASS_END - CLASS_TINY_END)

struct segment;

struct heap {
	struct cache *cache;     /* Tiny stacks: in the thread's TLS block, or parked */
	void **top[HEAP_STACKS]; /* Mid and L2.5 stacks */
	void **limit[HEAP_STACKS];
	void **bottom[CLASS_END]; /* the NULL slot below each stack, NULL before its first use */
	uint8_t shard;
	uint16_t slots_of[CLASS_END]; /* in each stack's memory; its limit may be lower */
	int8_t streak[CLASS_END];     /* refills since a flush, or minus flushes since a refill */
	void **seen[CLASS_END];       /* its top at the last tick */
	struct estate estate;         /* the slabs that are its own */
	unsigned ticks;
	struct segment *next_stolen; /* where to look next for remote frees of others */
	char *slots, *slots_end;     /* room for more stacks */
	struct outbox outbox;
	struct heap *owner;  /* of a pool: the heap beside which it lies; else NULL */
	struct heap **pools; /* HEAP_POOLS of them, each NULL until it is used; NULL: none */
	struct counters counters;
	struct cache parked;
	uint64_t relieved;        /* what all had given back when it found no memory */
	_Atomic(uint32_t) state;  /* enum heap_state */
	struct heap *next, *prev; /* among idle heaps */
};

/* A new heap with a tag of its own, its cache parked; NULL: no memory, or too many. */
struct heap *heap_create(void);

/* The pool beside a heap, made if need be; NULL as above. */
struct heap *heap_beside(struct heap *heap, enum heap_pool pool);

/* The heap with a tag, or of a word of the window's map that has one; NULL: none. */
struct heap *heap_by_tag(uint32_t tag);

/* Calls visit for every heap that was ever made. */
void heap_each(void (*visit)(struct heap *heap, void *context), void *context);

static inline void ***heap_top(struct heap *heap, unsigned cls)
{
	return cls < CLASS_TINY_END ? &heap->cache->top[cls] : &heap->top[cls - CLASS_TINY_END];
}

static inline void ***heap_limit(struct heap *heap, unsigned cls)
{
	return cls < CLASS_TINY_END ? &heap->cache->limit[cls] : &heap->limit[cls - CLASS_TINY_END];
}

/*
 * A block of `class`; NULL: no memory. Of an L2.5 class it is a span, and *zero says whether it is
 * known to be all 0; zero may be NULL.
 */
void *heap_alloc(struct heap *heap, unsigned cls, bool *zero);

/* Keeps a freed block for reuse, whoever owns its slab; a span becomes the heap's own. */
void heap_free(struct heap *heap, unsigned cls, void *ptr);

/* Sends a block back to the owner of its slab, another heap. */
void heap_send(struct heap *heap, struct slab *slab, void *ptr);

/* True if there are cached blocks. */
bool heap_caches(struct heap *heap);

/* Puts all cached blocks back, takes remote frees in and gives empty slabs back to their shards. */
void heap_drain(struct heap *heap);

/* Lets go of cached blocks that nothing has moved since the last call. */
void heap_tick(struct heap *heap);

#endif
