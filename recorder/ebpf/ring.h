/*
 * What the kernel part (probes.bpf.c) tells hakrec through its ring buffer, in the one order of the
 * ring: a free stands before the block is given back, an allocation after the block was taken.
 * Also the cookie by which a probe knows its function. Included by both sides.
 */
#ifndef RECORDER_RING_H
#define RECORDER_RING_H

#ifndef __bpf__
#include <stdint.h>
#endif

/* Kinds of messages; calls (enum trace_kind) are below 64. */
enum ring_kind {
	RING_OLD = 64,    /* struct ring_free: a realloc of this block begins; its call follows */
	RING_THREAD = 65, /* struct ring_thread: first seen, or created */
	RING_FORK = 66,   /* struct ring_thread: first thread of a new process */
	RING_EXIT = 67,   /* struct ring_exit */
	RING_EXEC = 68,   /* struct ring_exec */
	RING_MAP = 69,    /* struct ring_map: code was mapped */
	RING_STACK =
		70, /* struct ring_stack: a call from a place whose stack is wanted; it follows */
	RING_RAISE = 71, /* struct ring_raise: an exception is to leave a call that is watched */
	RING_CATCH = 72, /* struct ring_raise: it did not leave it */
};

enum ring_flag {
	RING_FAILED = 1,
	RING_SHARED = 2,  /* fork: the child runs in its parent's memory (vfork) */
	RING_LAST = 4,    /* exit: the process ends with this thread */
	RING_GROUP = 16,  /* exit: the whole process ends, not the thread by itself */
	RING_STOPPED = 8, /* exec, map, raise: the process waits for SIGCONT */
};

struct ring_head {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t tid;
	uint8_t kind;
	uint8_t flags;
	uint16_t lost; /* calls of this thread dropped right before */
};

struct ring_free {
	struct ring_head head;
	uint64_t addr;
	uint64_t caller; /* return address */
	uint64_t frame;  /* canonical frame address: the stack pointer before the call */
};

struct ring_alloc {
	struct ring_free call; /* addr: the result */
	uint64_t size;         /* UINT64_MAX: count * size overflows */
	uint64_t align;        /* a realloc: the old address */
};

#define RING_PROCESSES 16384 /* that are followed at once, at most */

#define RING_NAME_BYTES 16

struct ring_thread {
	struct ring_head head;
	uint32_t pid;
	uint32_t parent;      /* the thread that made it, 0: it was there before */
	uint64_t stack_begin; /* where its stack begins, 0: not known */
	uint64_t thread_pointer;
	char name[RING_NAME_BYTES];
};

struct ring_exit {
	struct ring_head head;
	uint32_t pid;
	uint32_t lost;
	char name[RING_NAME_BYTES];
};

struct ring_exec {
	struct ring_head head;
	uint32_t pid;
	uint32_t old_tid; /* the thread that called exec; it has the process's number now */
	uint64_t stack_begin;
	uint32_t lost;
	uint32_t unused;
	char name[RING_NAME_BYTES];
};

struct ring_map {
	struct ring_head head;
	uint32_t pid;
	uint32_t device;
	uint64_t inode;
	uint64_t begin, end, offset; /* addresses, place in the file */
};

#define RING_PAGE        4096
#define RING_STACK_PAGES 8 /* of a stack, at most */

/* Followed by a copy of the stack, from the beginning of the page of the frame on. */
struct ring_stack {
	struct ring_head head;
	uint64_t caller, frame;
	uint64_t base;    /* the caller's frame pointer */
	uint32_t bytes;   /* copied: whole pages */
	uint32_t cost_ns; /* that took the program */
};

/* A place to call from, among those whose stack is wanted: its bit. height: as the kernel part
 * knows it, from a stack that begins at 0 when it does not know better. */
#define RING_WANTED_BITS 16
#define RING_WANTED(caller, height)                                                                \
	((uint32_t)(((caller) ^ (uint64_t)(uint32_t)(height) << 32) * 0x9e3779b97f4a7c15ull >>     \
		    (64 - RING_WANTED_BITS)))

struct ring_raise {
	struct ring_head head;
	uint32_t pid;
	uint32_t unused;
	uint64_t slot; /* where the call's return address lies */
	uint64_t back; /* what is to be there: it, or the kernel's own */
};

/* Identity of a file, the key of the map of files that were looked at. */
struct ring_file {
	uint64_t inode;
	uint64_t device;
};

/*
 * Cookie of a probe:
 *
 *   63  62    59 58      39 38       29 28    22 21     10 9      6 5     0
 *   [w] [shape ] [bytes   ] [offset   ] [stack ] [args   ] [  - l ] [kind ]
 *
 * l: in a library, which calls itself by name where others may take its place. w: a wrapper, whose
 * result is that of the allocator function it calls. bytes: of the function. offset: of the probed
 * instruction in it. stack: words pushed before it. args: four bits for each argument, the
 * register's place in struct pt_regs.
 */
#define COOKIE_KIND(c)    ((uint8_t)((c)&63))
#define COOKIE_ARG(c, n)  ((unsigned)((c) >> (10 + 4 * (n)) & 15))
#define COOKIE_ARGS(c)    ((unsigned)((c) >> 10 & 0xfff))
#define COOKIE_STACK(c)   (((c) >> 22 & 127) * 8)
#define COOKIE_OFFSET(c)  ((c) >> 29 & 1023)
#define COOKIE_BYTES(c)   ((c) >> 39 & 0xfffff)
#define COOKIE_SHAPE(c)   ((unsigned)((c) >> 59 & 15))
#define COOKIE_LIBRARY    (1ull << 6)
#define COOKIE_WRAPPER    (1ull << 63)
#define COOKIE_PLAIN_ARGS 0xcdeu /* the arguments are still in rdi, rsi, rdx */

/* Shapes of calls as the probes tell them apart; SHAPE_<shape of traces/calls.h>. */
enum ring_shape {
	SHAPE_ALLOC = 1,
	SHAPE_CALLOC = 2,
	SHAPE_REALLOC = 3,
	SHAPE_REALLOCARRAY = 4,
	SHAPE_MEMALIGN = 5,
	SHAPE_POSIX_MEMALIGN = 6,
	SHAPE_NEW_ALIGNED = 7, /* with or without a tag */
	SHAPE_MALLOCX = 8,
	SHAPE_XALLOCX = 9, /* resizes in place, or not */
	SHAPE_FREE = 10,
	SHAPE_DELETE = 11, /* every form */
	SHAPE_RAISE = 12,  /* no call: an exception is made, or begins to unwind the stack */
	SHAPE_CATCH = 13,  /* no call: it has been caught */
	SHAPE_NEW = SHAPE_ALLOC,
	SHAPE_NEW_NOTHROW = SHAPE_ALLOC,
	SHAPE_NEW_ALIGNED_NOTHROW = SHAPE_NEW_ALIGNED,
	SHAPE_DELETE_SIZED = SHAPE_DELETE,
	SHAPE_DELETE_NOTHROW = SHAPE_DELETE,
	SHAPE_DELETE_ALIGNED = SHAPE_DELETE,
	SHAPE_DELETE_SIZED_ALIGNED = SHAPE_DELETE,
	SHAPE_DELETE_ALIGNED_NOTHROW = SHAPE_DELETE,
};

#endif
