/* What the kernel part knows of each followed thread, its maps, and how it tells of a thread. */
#ifndef RECORDER_TRACED_H
#define RECORDER_TRACED_H

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "ring.h"

#define FRAMES  4 /* a call, one of a signal handler that interrupts it, ...: a power of two */
#define SIGCONT 18
#define SIGSTOP 19

/* Kept free for messages about threads, processes and mappings, so that these are never lost. */
#define HEADROOM_BYTES (256 << 10)

/* How many calls a thread tells in a row without looking whether there is room. */
#define ROOM_CALLS 16

const volatile uint64_t ring_bytes = 0;
const volatile bool follow = true;
const volatile bool lossless = false;

uint64_t lost_calls = 0; /* all threads */
uint32_t stops = 0;      /* processes that were stopped because the ring was filling up */
uint32_t unfollowed = 0; /* processes that could not be followed */
bool closing = false;
uint32_t wanted[(1 << RING_WANTED_BITS) / 32]; /* places whose next call's stack is to be told */

struct frame {
	uint64_t sp;     /* at the return: the canonical frame address of the function itself */
	uint64_t back;   /* where it returns to */
	uint64_t caller; /* what the event tells */
	uint64_t frame;
	uint64_t size;
	uint64_t align;  /* a realloc: the old address */
	uint64_t result; /* where posix_memalign puts it; xallocx: the most that it may become */
	uint8_t kind;
	uint8_t shape;
	bool inner; /* of an outer operator new */
	bool retry; /* of the call that waits */
};

/* A function that passes its work on to another one: its caller, frame and body. */
struct passing {
	uint64_t caller, frame;
	uint64_t body, bytes;
};

/* A call that got nothing, or in which an exception was raised: it fails, unless the exception is
 * caught within it, in a new handler, and it tries again. */
struct waiting {
	bool on;
	bool caught;    /* the exception was, within the call: it will return after all */
	uint64_t plant; /* the kernel's return address that was in its frame; 0: none was */
	struct frame frame;
	struct passing body; /* of an outer operator new */
};

struct thread {
	uint32_t tid;
	uint32_t parent; /* the thread that made it, 0: it was there before */
	uint32_t former; /* its number when it called exec, of which hakrec does not know yet */
	bool told;       /* hakrec knows of it */
	bool forked;     /* first thread of a new process */
	bool shared;     /* which runs in its parent's memory */
	uint32_t room;   /* calls that it may tell before it looks at the ring again */
	uint32_t depth;
	uint32_t barrier; /* frames below this one are interrupted by a signal handler */
	uint32_t lost;
	bool in_outer, in_delete;
	bool outer_failed; /* it got nothing: it will try again or throw */
	struct frame frames[FRAMES];
	struct passing outer;
	uint64_t outer_caller, outer_frame, outer_size, outer_align;
	uint8_t outer_kind;
	struct passing deleter;
	uint64_t deleted;
	uint64_t stack_begin;
	struct waiting waiting;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

#define TABLE(key_type)                                                                            \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_HASH);                                                   \
		__uint(map_flags, BPF_F_NO_PREALLOC);                                              \
		__uint(max_entries, RING_PROCESSES);                                               \
		__type(key, key_type);                                                             \
		__type(value, uint32_t);                                                           \
	}

/* Processes that are followed, by their number. */
TABLE(uint32_t) followed SEC(".maps");

/* Files that hakrec has looked at. */
TABLE(struct ring_file) files SEC(".maps");

/* Processes that wait, stopped, for the ring to be emptied. */
TABLE(uint32_t) stopped SEC(".maps");

/* Calls that were dropped and that no message of their thread has told yet, by thread. */
TABLE(uint32_t) lost SEC(".maps");

/* Those of threads whose end could not be told either, by process. */
TABLE(uint32_t) buried SEC(".maps");

static __always_inline void head_fill(struct ring_head *head, uint32_t tid, uint8_t kind)
{
	head->time_ns = bpf_ktime_get_ns();
	head->tid = tid;
	head->kind = kind;
	head->flags = 0;
	head->lost = 0;
}

static __always_inline uint32_t current_tid(void)
{
	return (uint32_t)bpf_get_current_pid_tgid();
}

static __always_inline uint32_t current_pid(void)
{
	return (uint32_t)(bpf_get_current_pid_tgid() >> 32);
}

static __noinline void thread_tell(struct task_struct *task, struct thread *t)
{
	struct ring_thread *m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);

	if (!m)
		return;
	head_fill(&m->head, t->tid, t->forked ? RING_FORK : RING_THREAD);
	m->head.flags = t->shared ? RING_SHARED : 0;
	m->pid = (uint32_t)BPF_CORE_READ(task, tgid);
	m->parent = t->parent;
	m->stack_begin = t->stack_begin;
	m->thread_pointer = BPF_CORE_READ(task, thread.fsbase);
	bpf_probe_read_kernel(m->name, sizeof(m->name), &task->comm);
	bpf_ringbuf_submit(m, BPF_RB_NO_WAKEUP);
	t->told = true;
}

/* A new image waits, stopped, until hakrec has looked at it. */
static __noinline void image_tell(struct task_struct *task, struct thread *t)
{
	struct ring_exec *m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);

	if (!m)
		return;
	head_fill(&m->head, t->tid, RING_EXEC);
	m->head.flags = RING_STOPPED;
	m->pid = current_pid();
	m->old_tid = t->former;
	m->stack_begin = t->stack_begin;
	m->lost = t->lost;
	m->unused = 0;
	bpf_probe_read_kernel(m->name, sizeof(m->name), &task->comm);
	/* In this order: hakrec's SIGCONT must not come first. */
	bpf_send_signal(SIGSTOP);
	bpf_ringbuf_submit(m, BPF_RB_FORCE_WAKEUP);
	if (t->lost)
		bpf_map_delete_elem(&lost, &t->tid);
	t->lost = t->former = 0;
	t->told = true;
}

/* The current thread when its process is followed: it may have been there before, or there was no
 * room to tell of it. */
static __noinline struct thread *thread_adopt(struct task_struct *task)
{
	uint32_t pid = current_pid();
	struct thread *t;

	if (!bpf_map_lookup_elem(&followed, &pid))
		return NULL;
	t = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		__sync_fetch_and_add(&lost_calls, 1);
		return NULL;
	}
	if (!t->tid) {
		t->tid = current_tid();
		if (pid == t->tid)
			t->stack_begin = BPF_CORE_READ(task, mm, start_stack);
	}
	if (t->former)
		image_tell(task, t);
	else
		thread_tell(task, t);
	return t;
}

static __always_inline struct thread *thread_current(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *t = bpf_task_storage_get(&threads, task, NULL, 0);

	return t && t->told ? t : thread_adopt(task);
}

static __noinline void thread_drop(struct thread *t)
{
	t->lost++;
	__sync_fetch_and_add(&lost_calls, 1);
	bpf_map_update_elem(&lost, &t->tid, &t->lost, BPF_ANY);
}

static __noinline void thread_confess(struct thread *t, struct ring_head *head)
{
	head->lost = t->lost < 0xffff ? (uint16_t)t->lost : 0xffff;
	t->lost -= head->lost;
	if (t->lost)
		bpf_map_update_elem(&lost, &t->tid, &t->lost, BPF_ANY);
	else
		bpf_map_delete_elem(&lost, &t->tid);
}

/* The ring is filling up: the process waits until hakrec has emptied it. */
static __noinline void process_stop(void)
{
	uint32_t pid = current_pid(), one = 1;

	/* In this order: hakrec's SIGCONT must not come first. */
	bpf_send_signal(SIGSTOP);
	if (bpf_map_update_elem(&stopped, &pid, &one, BPF_ANY))
		bpf_send_signal(SIGCONT); /* else nobody would */
	__sync_fetch_and_add(&stops, 1);
}

/*
 * Whether a thread may tell of calls. While most of the ring is free it looks now and then. With
 * the calls of one that hakrec was not told of it could do nothing.
 */
static __noinline bool room_find(struct thread *t)
{
	uint64_t used = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	if (lossless && used > ring_bytes / 2)
		process_stop();
	if (!t->told)
		return false;
	if (used < ring_bytes / 4)
		t->room = ROOM_CALLS;
	return used + HEADROOM_BYTES <= ring_bytes;
}

/* Room for a message about a call; NULL when it has to be dropped. */
static __always_inline void *call_reserve(struct thread *t, uint64_t bytes)
{
	if (t->room)
		t->room--;
	else if (!room_find(t))
		return NULL;
	return bpf_ringbuf_reserve(&ring, bytes, 0);
}

static __always_inline void head_finish(struct thread *t, struct ring_head *head, uint8_t kind,
					uint8_t flags)
{
	head_fill(head, t->tid, kind);
	head->flags = flags;
	if (t->lost)
		thread_confess(t, head);
}

#endif
