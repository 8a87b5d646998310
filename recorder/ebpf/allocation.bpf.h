/*
 * From probes to calls. A call whose result matters is a *frame* from entry to return; what the
 * thread calls meanwhile is the allocator's own business and is not told. An operator new that
 * wraps another function is *outer*: it lends its name, size and site to the inner call that
 * follows. A delete hands its block to another delete or free, which is not told.
 */
#ifndef RECORDER_ALLOCATION_H
#define RECORDER_ALLOCATION_H

#include "traced.bpf.h"
#include "traces/calls.h"

#define NEAR (64ull << 20) /* most of a library's size */

enum {
#define KIND(id, number, symbol, shape, name) KIND_##id = number,
	TRACE_CALLS(KIND)
#undef KIND
};

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
	f->back = e->caller;
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

static __always_inline bool is_throwing(uint8_t kind)
{
	return kind == KIND_NEW || kind == KIND_NEW_ARRAY || kind == KIND_NEW_ALIGNED ||
	       kind == KIND_NEW_ARRAY_ALIGNED;
}

/*
 * An exception is raised inside an operator new whose return is caught: where its return address
 * was the unwinder would find the kernel's, and end the program. The process waits until hakrec has
 * put the address back, and the call has failed. (One whose new handler raises and handles an
 * exception of its own may still succeed, unseen: its block is foreign when it is freed.)
 */
static __noinline void abandon(struct thread *t, uint64_t sp)
{
	uint64_t mm = kernel_word((uint64_t)bpf_get_current_task_btf(), places.task_mm);
	uint64_t area = kernel_word(mm, places.mm_uprobes_state + places.uprobes_xol_area);
	uint32_t depth = t->depth;
	uint64_t found = 0;
	struct ring_raise *m;
	struct frame *f;

	if (depth <= t->barrier || depth > FRAMES)
		return;
	f = frame_at(t, depth - 1);
	if (!is_throwing(f->kind) || f->sp <= sp)
		return;
	bpf_probe_read_user(&found, sizeof(found), (void *)(f->sp - 8));
	if (found != kernel_word(area, places.xol_vaddr))
		return;
	t->depth = depth - 1;
	alloc_tell(t, f, 0);
	m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);
	if (!m)
		return;
	head_fill(&m->head, current_tid(), RING_RAISE);
	m->head.flags = RING_STOPPED;
	m->pid = current_pid();
	m->unused = 0;
	m->slot = f->sp - 8;
	m->back = f->back;
	/* In this order: hakrec's SIGCONT must not come first. */
	bpf_send_signal(SIGSTOP);
	bpf_ringbuf_submit(m, BPF_RB_FORCE_WAKEUP);
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

/* ---- stacks ---- */

static __always_inline void stack_copy(struct ring_stack *m, uint64_t end, int pages)
{
	uint64_t page = m->frame & ~(uint64_t)(RING_PAGE - 1);

	for (int i = 0; i < pages; i++, page += RING_PAGE) {
		if (page >= end ||
		    bpf_probe_read_user((char *)(m + 1) + i * RING_PAGE, RING_PAGE, (void *)page))
			break;
		m->bytes += RING_PAGE;
	}
}

static __always_inline void stack_describe(struct ring_stack *m, const struct entry *e,
					   uint64_t base)
{
	head_fill(&m->head, current_tid(), RING_STACK);
	m->caller = e->caller;
	m->frame = e->frame;
	m->base = base;
	m->bytes = 0;
}

/* Most stacks fit a small message. */
static __noinline void stack_tell(struct thread *t, const struct entry *e, uint64_t base)
{
	uint64_t end = t->stack_begin > e->frame ? t->stack_begin : ~0ull;
	struct ring_stack *m;

	if (end - e->frame <= RING_PAGE) {
		m = call_reserve(sizeof(*m) + 2 * RING_PAGE);
		if (!m)
			return;
		stack_describe(m, e, base);
		stack_copy(m, end, 2);
	} else {
		m = call_reserve(sizeof(*m) + RING_STACK_PAGES * RING_PAGE);
		if (!m)
			return;
		stack_describe(m, e, base);
		stack_copy(m, end, RING_STACK_PAGES);
	}
	m->cost_ns = (uint32_t)(bpf_ktime_get_ns() - m->head.time_ns);
	bpf_ringbuf_submit(m, BPF_RB_NO_WAKEUP);
}

/* Tells the stack of a call from a place whose stack is wanted. */
static __always_inline void stack_offer(struct thread *t, const struct entry *e, uint64_t base)
{
	uint32_t bit = RING_WANTED(e->caller, t->stack_begin - e->frame);
	uint32_t *word = &wanted[bit / 32], mask = 1u << bit % 32;

	if (__builtin_expect(*word & mask, 0)) {
		__sync_fetch_and_and(word, ~mask);
		stack_tell(t, e, base);
	}
}

/* ---- probes ---- */

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
	if (COOKIE_SHAPE(e.cookie) == SHAPE_RAISE) {
		abandon(t, regs->sp);
		return false;
	}
	sp = regs->sp + COOKIE_STACK(e.cookie);
	e.frame = sp + 8;
	if (t->depth && is_nested(t, &e))
		return false;
	e.body = regs->ip - COOKIE_OFFSET(e.cookie);
	e.caller = 0;
	bpf_probe_read_user(&e.caller, sizeof(e.caller), (void *)sp);
	if (is_internal(&e))
		return false;
	stack_offer(t, &e, regs->bp);
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

#endif
