/*
 * From probes to calls. A call whose result matters is a *frame* from entry to return; what the
 * thread calls meanwhile is the allocator's own business and is not told. An operator new that
 * wraps another function is *outer*: it lends its name, size and site to the inner call that
 * follows. A delete hands its block to another delete or free, which is not told.
 */
#ifndef RECORDER_ALLOCATION_H
#define RECORDER_ALLOCATION_H

#include "waiting.bpf.h"

#define NEAR (64ull << 20) /* most of a library's size */

/* Flags of mallocx() and its like. */
#define MALLOCX_LG_ALIGN 63
#define MALLOCX_ZERO     64

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
	case SHAPE_MALLOCX:
		if (e->args[1] & MALLOCX_LG_ALIGN) {
			f->align = 1ull << (e->args[1] & MALLOCX_LG_ALIGN);
			f->kind = KIND_MEMALIGN;
		} else if (e->args[1] & MALLOCX_ZERO) {
			f->kind = KIND_CALLOC;
		}
		break;
	case SHAPE_XALLOCX:
		f->size = e->args[1];
		f->align = e->args[0];
		f->result = e->args[1] + e->args[2];
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
	f->retry = t->waiting.on && t->waiting.caught && f->size == t->waiting.frame.size;
	if (f->retry) {
		f->caller = t->waiting.frame.caller;
		f->frame = t->waiting.frame.frame;
		f->align = t->waiting.frame.align;
		f->kind = t->waiting.frame.kind;
	} else if (f->inner) {
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
		m = call_reserve(t, sizeof(*m) + 2 * RING_PAGE);
		if (!m)
			return;
		stack_describe(m, e, base);
		stack_copy(m, end, 2);
	} else {
		m = call_reserve(t, sizeof(*m) + RING_STACK_PAGES * RING_PAGE);
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

/*
 * A word of the program's memory. In a function of its own, whose few bytes of stack the kernel
 * leaves on its own stack: into a large one, which it moves elsewhere, copying is checked slowly.
 */
static __noinline uint64_t word_read(uint64_t addr)
{
	uint64_t word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)addr);
	return word;
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
	if (COOKIE_SHAPE(e.cookie) == SHAPE_RAISE) {
		on_raise(t, regs->sp);
		return false;
	}
	if (COOKIE_SHAPE(e.cookie) == SHAPE_CATCH) {
		if (t->waiting.on)
			on_catch(t, regs->sp);
		return false;
	}
	sp = regs->sp + COOKIE_STACK(e.cookie);
	e.frame = sp + 8;
	if (t->depth && is_nested(t, &e))
		return false;
	e.body = regs->ip - COOKIE_OFFSET(e.cookie);
	e.caller = word_read(sp);
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
	else if (t->waiting.on)
		waiting_meet(t, &e);
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

/* xallocx() returns a size: what was asked for at least, or all is as it was. */
static __noinline void leave_resized(struct thread *t, const struct frame *f, uint64_t size)
{
	struct entry e = {.args = {f->align}, .caller = f->caller, .frame = f->frame};
	struct frame resized = *f;

	if (size < f->size)
		return;
	free_tell(t, &e, RING_OLD);
	resized.size = size < f->result ? size : f->result;
	alloc_tell(t, &resized, f->align);
}

static __always_inline void leave_frame(struct thread *t, const struct frame *f, uint64_t result)
{
	if (f->shape == SHAPE_XALLOCX) {
		leave_resized(t, f, result);
		return;
	}
	if (f->shape == SHAPE_POSIX_MEMALIGN) {
		uint64_t status = result;

		result = 0;
		if (!(uint32_t)status)
			bpf_probe_read_user(&result, sizeof(result), (void *)f->result);
	}
	if (f->retry) {
		if (!result)
			return;
		t->waiting.on = false;
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

/* The call that returns: frames of calls within it are gone, too. */
static __always_inline struct frame *frame_pop(struct thread *t, uint64_t sp)
{
#pragma unroll
	for (int i = FRAMES - 1; i >= 0; i--) {
		if ((uint32_t)i < t->depth && t->frames[i].sp == sp) {
			t->depth = i;
			if (t->barrier > (uint32_t)i)
				t->barrier = i;
			/* What follows is verified once, not for each place. */
			__asm__ volatile("" ::: "memory");
			return frame_at(t, t->depth);
		}
	}
	if (t->waiting.on && t->waiting.frame.sp == sp) {
		t->waiting.on = false;
		return &t->waiting.frame;
	}
	return NULL;
}

static __always_inline void leave(struct probe_registers *regs)
{
	struct thread *t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL, 0);
	struct frame *f = t ? frame_pop(t, regs->sp) : NULL;

	if (f && !closing)
		leave_frame(t, f, regs->ax);
}

#endif
