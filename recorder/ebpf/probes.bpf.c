/*
 * The kernel part: probes at the allocator's functions, and what has to be known of threads,
 * processes and mappings to follow a program. Everything goes through one ring buffer, whose order
 * is the order of the trace.
 *
 * Each followed thread has a struct thread. A call whose result matters is a *frame* from entry to
 * return; what the thread calls meanwhile is the allocator's own business and is not told. An
 * operator new that wraps another function is *outer*: it lends its name, size and site to the
 * inner call that follows. A delete hands its block to another delete or free, which is not told.
 */
#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "ring.h"
#include "traces/calls.h"

#define FRAMES            4 /* a call, one of a signal handler that interrupts it, ...: a power of two */
#define SIGSTOP           19
#define SYS_MMAP          9
#define PROT_EXEC         4
#define MAP_ANON          0x20
#define SIGNAL_GROUP_EXIT 4

#define NEAR (64ull << 20) /* most of a library's size */

/* Kept free for messages about threads, processes and mappings, so that these are never lost. */
#define HEADROOM_BYTES (256 << 10)

enum {
#define KIND(id, number, symbol, shape, name) KIND_##id = number,
	TRACE_CALLS(KIND)
#undef KIND
};

const volatile uint64_t ring_bytes = 0;
const volatile bool follow = true;
const volatile bool lossless = false;

uint64_t lost_calls = 0; /* all threads */
uint32_t stops = 0;      /* processes that were stopped because the ring was filling up */
bool closing = false;

struct frame {
	uint64_t sp;     /* at the return: the canonical frame address of the function itself */
	uint64_t caller; /* what the event tells */
	uint64_t frame;
	uint64_t size;
	uint64_t align;  /* a realloc: the old address */
	uint64_t result; /* where posix_memalign puts it */
	uint8_t kind;
	uint8_t shape;
	bool inner; /* of an outer operator new */
};

/* A function that passes its work on to another one: its caller, frame and body. */
struct passing {
	uint64_t caller, frame;
	uint64_t body, bytes;
};

struct thread {
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

/* Processes that are followed, by their number. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, uint32_t);
	__type(value, uint32_t);
} followed SEC(".maps");

/* Files that hakrec has looked at. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct ring_file);
	__type(value, uint32_t);
} files SEC(".maps");

/* Processes that wait, stopped, for the ring to be emptied. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, uint32_t);
	__type(value, uint32_t);
} stopped SEC(".maps");

/* Calls that were dropped and that no message of their thread has told yet, by thread. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, uint32_t);
	__type(value, uint32_t);
} lost SEC(".maps");

static __always_inline void head_fill(struct ring_head *head, uint32_t tid, uint8_t kind)
{
	head->time_ns = bpf_ktime_get_ns();
	head->tid = tid;
	head->kind = kind;
	head->flags = 0;
	head->lost = 0;
}

/* ---- threads ---- */

static __always_inline uint32_t current_tid(void)
{
	return (uint32_t)bpf_get_current_pid_tgid();
}

static __always_inline uint32_t current_pid(void)
{
	return (uint32_t)(bpf_get_current_pid_tgid() >> 32);
}

static void thread_tell(struct task_struct *task, uint8_t kind, uint32_t parent, uint8_t flags,
			uint64_t stack_begin)
{
	struct ring_thread *m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);

	if (!m)
		return;
	head_fill(&m->head, (uint32_t)BPF_CORE_READ(task, pid), kind);
	m->head.flags = flags;
	m->pid = (uint32_t)BPF_CORE_READ(task, tgid);
	m->parent = parent;
	m->stack_begin = stack_begin;
	m->thread_pointer = BPF_CORE_READ(task, thread.fsbase);
	bpf_probe_read_kernel(m->name, sizeof(m->name), &task->comm);
	bpf_ringbuf_submit(m, BPF_RB_NO_WAKEUP);
}

/* The current thread when its process is followed: it may have been there before. */
static __noinline struct thread *thread_adopt(struct task_struct *task)
{
	uint32_t pid = current_pid();
	struct thread *t;

	if (!bpf_map_lookup_elem(&followed, &pid))
		return NULL;
	t = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return NULL;
	if (pid == current_tid())
		t->stack_begin = BPF_CORE_READ(task, mm, start_stack);
	thread_tell(task, RING_THREAD, 0, 0, t->stack_begin);
	return t;
}

static __always_inline struct thread *thread_current(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *t = bpf_task_storage_get(&threads, task, NULL, 0);

	return t ? t : thread_adopt(task);
}

static __noinline void thread_drop(struct thread *t)
{
	uint32_t tid = current_tid();

	t->lost++;
	__sync_fetch_and_add(&lost_calls, 1);
	bpf_map_update_elem(&lost, &tid, &t->lost, BPF_ANY);
}

static __noinline void thread_confess(struct thread *t, struct ring_head *head)
{
	uint32_t tid = current_tid();

	head->lost = t->lost < 0xffff ? (uint16_t)t->lost : 0xffff;
	t->lost -= head->lost;
	bpf_map_update_elem(&lost, &tid, &t->lost, BPF_ANY);
}

/* The ring is filling up: the process waits until hakrec has emptied it. */
static __noinline void process_stop(void)
{
	uint32_t pid = current_pid(), one = 1;

	/* In this order: hakrec's SIGCONT must not come first. */
	bpf_send_signal(SIGSTOP);
	bpf_map_update_elem(&stopped, &pid, &one, BPF_ANY);
	__sync_fetch_and_add(&stops, 1);
}

/* Room for a message about a call; NULL when it has to be dropped. */
static __always_inline void *call_reserve(uint64_t bytes)
{
	uint64_t used = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	if (lossless && used > ring_bytes / 2)
		process_stop();
	if (used + HEADROOM_BYTES > ring_bytes)
		return NULL;
	return bpf_ringbuf_reserve(&ring, bytes, 0);
}

static __always_inline void head_finish(struct thread *t, struct ring_head *head, uint8_t kind,
					uint8_t flags)
{
	head_fill(head, current_tid(), kind);
	head->flags = flags;
	if (t->lost)
		thread_confess(t, head);
}

/* ---- calls ---- */

/* One load a register: clang would merge them into one at a computed place, which the verifier
 * refuses. */
#define REGISTER(number)                                                                           \
	case number:                                                                               \
		__asm__ volatile("%0 = *(u64 *)(%1 + %2)"                                          \
				 : "=r"(value)                                                     \
				 : "r"(regs), "i"((number)*8));                                    \
		return value

/* Register by its place in struct pt_regs. */
static __always_inline uint64_t register_read(const struct probe_registers *regs, unsigned number)
{
	uint64_t value;

	switch (number) {
		REGISTER(0);
		REGISTER(1);
		REGISTER(2);
		REGISTER(3);
		REGISTER(4);
		REGISTER(5);
		REGISTER(6);
		REGISTER(7);
		REGISTER(8);
		REGISTER(9);
		REGISTER(10);
		REGISTER(11);
		REGISTER(12);
		REGISTER(13);
		REGISTER(14);
	default:
		return 0;
	}
}

static __always_inline uint64_t product(uint64_t count, uint64_t size)
{
	uint64_t most = ~0ull;

	if (((count | size) >> 32) && count) {
		most /= count;
		/* Else clang makes a multiplication of 128 bits of it, which BPF has not. */
		__asm__ volatile("" : "+r"(most));
	}
	return size > most ? ~0ull : count * size;
}

/* A call at its entry. */
struct entry {
	uint64_t cookie;
	uint64_t args[3];
	uint64_t caller, frame;
	uint64_t body;
};

static __always_inline bool is_within(const struct passing *p, const struct entry *e)
{
	return e->caller - p->body < p->bytes || (e->caller == p->caller && e->frame == p->frame);
}

static __always_inline void passing_set(struct passing *p, const struct entry *e)
{
	p->caller = e->caller;
	p->frame = e->frame;
	p->body = e->body;
	p->bytes = COOKIE_BYTES(e->cookie);
}

static __always_inline void free_tell(struct thread *t, const struct entry *e, uint8_t kind)
{
	struct ring_free *m = call_reserve(sizeof(*m));

	if (!m) {
		if (kind != RING_OLD)
			thread_drop(t);
		return;
	}
	head_finish(t, &m->head, kind, 0);
	m->addr = e->args[0];
	m->caller = e->caller;
	m->frame = e->frame;
	bpf_ringbuf_submit(m, BPF_RB_NO_WAKEUP);
}

static __always_inline void enter_free(struct thread *t, const struct entry *e)
{
	if (!e->args[0])
		return;
	if (t->in_delete) {
		bool tail = e->caller == t->deleter.caller && e->frame == t->deleter.frame;

		/* Its own body calls it, or a delete that jumped here with the same block. */
		if (tail ? e->args[0] == t->deleted
			 : e->caller - t->deleter.body < t->deleter.bytes) {
			passing_set(&t->deleter, e);
			return;
		}
		t->in_delete = false;
	}
	if (COOKIE_SHAPE(e->cookie) == SHAPE_DELETE) {
		t->in_delete = true;
		t->deleted = e->args[0];
		passing_set(&t->deleter, e);
	}
	free_tell(t, e, COOKIE_KIND(e->cookie));
}

/* Size, alignment and what else a call's result will be told with. */
static __always_inline void frame_describe(struct frame *f, const struct entry *e)
{
	f->size = e->args[0];
	f->align = 0;
	switch (f->shape) {
	case SHAPE_CALLOC:
		f->size = product(e->args[0], e->args[1]);
		break;
	case SHAPE_REALLOC:
		f->size = e->args[1];
		f->align = e->args[0];
		break;
	case SHAPE_REALLOCARRAY:
		f->size = product(e->args[1], e->args[2]);
		f->align = e->args[0];
		break;
	case SHAPE_MEMALIGN:
		f->size = e->args[1];
		f->align = e->args[0];
		break;
	case SHAPE_POSIX_MEMALIGN:
		f->size = e->args[2];
		f->align = e->args[1];
		f->result = e->args[0];
		break;
	case SHAPE_NEW_ALIGNED:
		f->align = e->args[1];
		break;
	}
}

/* An operator new that leaves its work to another function. */
static __always_inline void enter_outer(struct thread *t, const struct entry *e)
{
	if (!t->in_outer || !is_within(&t->outer, e)) {
		t->in_outer = true;
		t->outer_kind = COOKIE_KIND(e->cookie);
		t->outer_caller = e->caller;
		t->outer_frame = e->frame;
		t->outer_size = e->args[0];
		t->outer_align = COOKIE_SHAPE(e->cookie) == SHAPE_NEW_ALIGNED ? e->args[1] : 0;
	}
	passing_set(&t->outer, e);
}

/* Frame number i, in a way that the verifier can follow. */
static __always_inline struct frame *frame_at(struct thread *t, uint32_t i)
{
	__asm__ volatile("" : "+r"(i));
	return &t->frames[i & (FRAMES - 1)];
}

/* Returns whether the call's return is to be caught. */
static __always_inline bool enter_alloc(struct thread *t, const struct entry *e)
{
	uint32_t depth = t->depth;
	struct frame *f;

	if (e->cookie & COOKIE_WRAPPER) {
		enter_outer(t, e);
		return false;
	}
	if (depth >= FRAMES) {
		thread_drop(t);
		return false;
	}
	f = frame_at(t, depth);
	f->sp = e->frame;
	f->kind = COOKIE_KIND(e->cookie);
	f->shape = COOKIE_SHAPE(e->cookie);
	frame_describe(f, e);
	f->inner = t->in_outer && is_within(&t->outer, e);
	if (f->inner) {
		f->caller = t->outer_caller;
		f->frame = t->outer_frame;
		f->size = t->outer_size;
		f->align = t->outer_align;
		f->kind = t->outer_kind;
	} else {
		t->in_outer = false;
		f->caller = e->caller;
		f->frame = e->frame;
	}
	t->depth = depth + 1;
	if ((f->shape == SHAPE_REALLOC || f->shape == SHAPE_REALLOCARRAY) && e->args[0])
		free_tell(t, e, RING_OLD);
	return true;
}

/* Is the call part of one that has not returned? Forgets those that never will. */
static __always_inline bool is_nested(struct thread *t, const struct entry *e)
{
#pragma unroll
	for (int i = 0; i < FRAMES; i++) {
		uint32_t depth = t->depth;

		if (depth <= t->barrier || depth > FRAMES)
			return false;
		if (e->frame <= frame_at(t, depth - 1)->sp)
			return true;
		t->depth = depth - 1;
	}
	return false;
}

static __always_inline void alloc_tell(struct thread *t, const struct frame *f, uint64_t result)
{
	bool freed = !result && !f->size &&
		     (f->shape == SHAPE_REALLOC || f->shape == SHAPE_REALLOCARRAY);
	struct ring_alloc *m = call_reserve(sizeof(*m));

	if (!m) {
		thread_drop(t);
		return;
	}
	head_finish(t, &m->call.head, f->kind, result || freed ? 0 : RING_FAILED);
	m->call.addr = result;
	m->call.caller = f->caller;
	m->call.frame = f->frame;
	m->size = f->size;
	m->align = f->align;
	bpf_ringbuf_submit(m, BPF_RB_NO_WAKEUP);
}

/* Another call than that of an operator new that got nothing: it has thrown, or asks for help. */
static __noinline void outer_settle(struct thread *t, const struct entry *e)
{
	struct frame failed = {
		.caller = t->outer_caller,
		.frame = t->outer_frame,
		.size = t->outer_size,
		.align = t->outer_align,
		.kind = t->outer_kind,
	};

	t->outer_failed = false;
	if (t->in_outer && is_within(&t->outer, e))
		return;
	t->in_outer = false;
	alloc_tell(t, &failed, 0);
}

/*
 * A library that calls its own function directly, not by name, does so behind the program's back:
 * glibc empties the cache of a thread that ends, of blocks that were given back before.
 */
static __noinline bool is_direct(uint64_t caller, uint64_t body)
{
	struct {
		uint8_t opcode[4]; /* the last one of these */
		int32_t displacement;
	} call = {};

	if (bpf_probe_read_user(&call, sizeof(call), (void *)(caller - sizeof(call))))
		return false;
	return call.opcode[3] == 0xe8 && caller + (uint64_t)(__s64)call.displacement == body;
}

static __always_inline bool is_internal(const struct entry *e)
{
	return (e->cookie & COOKIE_LIBRARY) && e->caller - e->body + NEAR < 2 * NEAR &&
	       is_direct(e->caller, e->body);
}

static __always_inline bool enter(struct probe_registers *regs)
{
	struct thread *t;
	struct entry e;
	uint64_t sp;

	if (closing)
		return false;
	t = thread_current();
	if (!t)
		return false;
	e.cookie = bpf_get_attach_cookie(regs);
	sp = regs->sp + COOKIE_STACK(e.cookie);
	e.frame = sp + 8;
	if (t->depth && is_nested(t, &e))
		return false;
	e.body = regs->ip - COOKIE_OFFSET(e.cookie);
	e.caller = 0;
	bpf_probe_read_user(&e.caller, sizeof(e.caller), (void *)sp);
	if (is_internal(&e))
		return false;
	e.args[0] = regs->di;
	e.args[1] = regs->si;
	e.args[2] = regs->dx;
	if (COOKIE_ARGS(e.cookie) != COOKIE_PLAIN_ARGS) {
		e.args[0] = register_read(regs, COOKIE_ARG(e.cookie, 0));
		e.args[1] = register_read(regs, COOKIE_ARG(e.cookie, 1));
		e.args[2] = register_read(regs, COOKIE_ARG(e.cookie, 2));
	}
	if (t->outer_failed)
		outer_settle(t, &e);
	if (COOKIE_SHAPE(e.cookie) >= SHAPE_FREE) {
		enter_free(t, &e);
		return false;
	}
	return enter_alloc(t, &e);
}

static __always_inline bool is_nothrow(uint8_t kind)
{
	return kind == KIND_NEW_NOTHROW || kind == KIND_NEW_ARRAY_NOTHROW ||
	       kind == KIND_NEW_ALIGNED_NOTHROW || kind == KIND_NEW_ARRAY_ALIGNED_NOTHROW;
}

static __always_inline void leave_frame(struct thread *t, const struct frame *f, uint64_t result)
{
	if (f->shape == SHAPE_POSIX_MEMALIGN) {
		uint64_t status = result;

		result = 0;
		if (!(uint32_t)status)
			bpf_probe_read_user(&result, sizeof(result), (void *)f->result);
	}
	if (f->inner) {
		if (!result && !is_nothrow(f->kind)) {
			t->outer_failed = true;
			return;
		}
		t->in_outer = false;
	}
	alloc_tell(t, f, result);
}

static __always_inline void leave(struct probe_registers *regs)
{
	struct thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL, 0);

	if (!t)
		return;
#pragma unroll
	for (int i = FRAMES - 1; i >= 0; i--) {
		if ((uint32_t)i < t->depth && t->frames[i].sp == regs->sp) {
			t->depth = i;
			if (t->barrier > (uint32_t)i)
				t->barrier = i;
			if (!closing)
				leave_frame(t, &t->frames[i], regs->ax);
			return;
		}
	}
}

/* Entry and return in one: a kernel that has session links. */
SEC("uprobe")
int call_session(struct probe_registers *regs)
{
	if (regs->ip == bpf_get_func_ip(regs))
		return !enter(regs);
	leave(regs);
	return 0;
}

SEC("uprobe")
int call_entry(struct probe_registers *regs)
{
	enter(regs);
	return 0;
}

SEC("uprobe")
int call_return(struct probe_registers *regs)
{
	leave(regs);
	return 0;
}

/* ---- threads and processes ---- */

static __always_inline void thread_born(struct task_struct *parent, struct task_struct *child,
					struct thread *t, uint32_t pid)
{
	struct pt_regs *theirs = (struct pt_regs *)bpf_task_pt_regs(child);
	struct pt_regs *ours = (struct pt_regs *)bpf_task_pt_regs(parent);
	struct thread *mine = bpf_task_storage_get(&threads, parent, NULL, 0);
	bool thread = pid == (uint32_t)parent->tgid;
	uint8_t flags = !thread && child->mm == parent->mm ? RING_SHARED : 0;

	t->stack_begin = theirs->sp;
	if (theirs->sp == ours->sp)
		t->stack_begin = mine ? mine->stack_begin : 0;
	thread_tell(child, thread ? RING_THREAD : RING_FORK, (uint32_t)parent->pid, flags,
		    t->stack_begin);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	uint32_t pid = (uint32_t)parent->tgid, child_pid = (uint32_t)child->tgid;
	struct thread *t;

	if (closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	if (child_pid != pid) {
		if (!follow)
			return 0;
		bpf_map_update_elem(&followed, &child_pid, &child_pid, BPF_ANY);
	}
	t = bpf_task_storage_get(&threads, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t)
		thread_born(parent, child, t, child_pid);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	uint32_t tid = (uint32_t)task->pid, pid = (uint32_t)task->tgid;
	bool last = task->signal->live.counter == 0;
	struct thread *t;
	struct ring_exit *m;

	if (!bpf_map_lookup_elem(&followed, &pid))
		return 0;
	t = bpf_task_storage_get(&threads, task, NULL, 0);
	if (last)
		bpf_map_delete_elem(&followed, &pid);
	if (!t && !last)
		return 0;
	m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);
	if (!m)
		return 0;
	head_fill(&m->head, tid, RING_EXIT);
	m->head.flags =
		(last ? RING_LAST : 0) | (task->signal->flags & SIGNAL_GROUP_EXIT ? RING_GROUP : 0);
	m->pid = pid;
	m->lost = 0;
	if (t && t->lost) {
		m->lost = t->lost;
		bpf_map_delete_elem(&lost, &tid);
	}
	bpf_probe_read_kernel(m->name, sizeof(m->name), &task->comm);
	bpf_ringbuf_submit(m, last ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

/* A new image waits, stopped before its first instruction, until hakrec has looked at it. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid)
{
	uint32_t pid = (uint32_t)task->tgid;
	struct ring_exec *m;
	struct thread *t;

	if (closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	t = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);
	if (t) {
		t->depth = t->barrier = 0;
		t->in_outer = t->in_delete = t->outer_failed = false;
		t->stack_begin = task->mm->start_stack;
	}
	if (!m)
		return 0;
	head_fill(&m->head, (uint32_t)task->pid, RING_EXEC);
	m->head.flags = RING_STOPPED;
	m->pid = pid;
	m->old_tid = (uint32_t)old_pid;
	m->stack_begin = task->mm->start_stack;
	bpf_probe_read_kernel(m->name, sizeof(m->name), &task->comm);
	/* In this order: hakrec's SIGCONT must not come first. */
	bpf_send_signal(SIGSTOP);
	bpf_ringbuf_submit(m, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* A signal handler begins: what it calls is not part of the call that it interrupts. */
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal)
{
	struct thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL, 0);

	if (t)
		t->barrier = t->depth;
	return 0;
}

static __always_inline struct inode *inode_of(uint64_t fd)
{
	struct file **table = BPF_CORE_READ(bpf_get_current_task_btf(), files, fdt, fd);
	struct file *file = NULL;

	bpf_probe_read_kernel(&file, sizeof(file), table + fd);
	return BPF_CORE_READ(file, f_inode);
}

/* Code was mapped. When hakrec does not know its file yet, the process waits until it does. */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_mmap, struct pt_regs *regs, long result)
{
	uint32_t pid = current_pid();
	struct ring_file id = {};
	struct inode *inode;
	struct ring_map *m;
	bool unknown;

	if (regs->orig_ax != SYS_MMAP || !(regs->dx & PROT_EXEC) || (regs->r10 & MAP_ANON))
		return 0;
	if (result < 0 || closing || !bpf_map_lookup_elem(&followed, &pid))
		return 0;
	inode = inode_of(regs->r8);
	id.inode = BPF_CORE_READ(inode, i_ino);
	id.device = BPF_CORE_READ(inode, i_sb, s_dev);
	unknown = !bpf_map_lookup_elem(&files, &id);
	m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);
	if (!m)
		return 0;
	head_fill(&m->head, current_tid(), RING_MAP);
	m->head.flags = unknown ? RING_STOPPED : 0;
	m->pid = pid;
	m->device = (uint32_t)id.device;
	m->inode = id.inode;
	m->begin = (uint64_t)result;
	m->end = m->begin + ((regs->si + 4095) & ~4095ull);
	m->offset = regs->r9;
	if (unknown)
		bpf_send_signal(SIGSTOP);
	bpf_ringbuf_submit(m, unknown ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
