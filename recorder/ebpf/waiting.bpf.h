/* Calls of which it is not known yet whether they have failed: an exception was raised in them. */
#ifndef RECORDER_WAITING_H
#define RECORDER_WAITING_H

#include "telling.bpf.h"

static __always_inline bool is_throwing(uint8_t kind)
{
	return kind == KIND_NEW || kind == KIND_NEW_ARRAY || kind == KIND_NEW_ALIGNED ||
	       kind == KIND_NEW_ARRAY_ALIGNED;
}

/* The call that waits has failed: nothing of it is on the stack any more. */
static __noinline void waiting_fail(struct thread *t)
{
	t->waiting.on = false;
	alloc_tell(t, &t->waiting.frame, 0);
}

/* A call waits. Only one does: another that waited already is taken to have failed. */
static __always_inline void waiting_begin(struct thread *t, const struct frame *f)
{
	if (t->waiting.on)
		waiting_fail(t);
	t->waiting.frame = *f;
	t->waiting.plant = 0;
	t->waiting.caught = false;
	t->waiting.on = true;
}

/* Another call while one waits: a part of it, which tries again; made within it; or behind it. */
static __noinline void waiting_meet(struct thread *t, const struct entry *e)
{
	struct waiting *w = &t->waiting;

	if (!w->plant && is_within(&w->body, e)) {
		w->on = false;
		t->in_outer = true;
		t->outer = w->body;
		t->outer_kind = w->frame.kind;
		t->outer_caller = w->frame.caller;
		t->outer_frame = w->frame.frame;
		t->outer_size = w->frame.size;
		t->outer_align = w->frame.align;
	} else if (e->frame >= w->frame.frame) {
		waiting_fail(t);
	}
}

/* Another call than that of an operator new that got nothing. */
static __noinline void outer_settle(struct thread *t, const struct entry *e)
{
	struct frame f = {
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
	waiting_begin(t, &f);
	t->waiting.body = t->outer;
	if (e->frame >= f.frame)
		waiting_fail(t);
}

/* Has hakrec write into the frame of a call, while the process waits for it. */
static __noinline void slot_set(uint8_t kind, uint64_t slot, uint64_t back)
{
	struct ring_raise *m = bpf_ringbuf_reserve(&ring, sizeof(*m), 0);

	if (!m)
		return;
	head_fill(&m->head, current_tid(), kind);
	m->head.flags = RING_STOPPED;
	m->pid = current_pid();
	m->unused = 0;
	m->slot = slot;
	m->back = back;
	/* In this order: hakrec's SIGCONT must not come first. */
	bpf_send_signal(SIGSTOP);
	bpf_ringbuf_submit(m, BPF_RB_FORCE_WAKEUP);
}

/*
 * An exception is raised inside an operator new whose return is caught: where its return address
 * was the unwinder would find the kernel's, and end the program. The process waits until hakrec has
 * put the address back.
 */
static __noinline void on_raise(struct thread *t, uint64_t sp)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct waiting *w = &t->waiting;
	uint32_t depth = t->depth;
	uint64_t found = 0;
	struct frame *f;

	if (w->on && w->caught && w->frame.sp > sp) {
		w->caught = false;
		slot_set(RING_RAISE, w->frame.sp - 8, w->frame.back);
		return;
	}
	if (depth <= t->barrier || depth > FRAMES)
		return;
	f = frame_at(t, depth - 1);
	if (!is_throwing(f->kind) || f->sp <= sp)
		return;
	bpf_probe_read_user(&found, sizeof(found), (void *)(f->sp - 8));
	if (found != BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr))
		return;
	t->depth = depth - 1;
	waiting_begin(t, f);
	t->waiting.plant = found;
	slot_set(RING_RAISE, f->sp - 8, f->back);
}

/*
 * It is caught: by a frame further up than the call that waits; or within that, which goes on and
 * is to be seen when it returns. What its handler calls meanwhile is told, but for the allocator's
 * next attempt, which is known by its size.
 */
static __noinline void on_catch(struct thread *t, uint64_t sp)
{
	struct waiting *w = &t->waiting;

	if (sp + 8 >= w->frame.frame) {
		waiting_fail(t);
	} else if (w->plant && !w->caught) {
		w->caught = true;
		slot_set(RING_CATCH, w->frame.sp - 8, w->plant);
	}
}

#endif
