/* A call as its probes see it, and how it is told. */
#ifndef RECORDER_TELLING_H
#define RECORDER_TELLING_H

#include "traced.bpf.h"
#include "traces/calls.h"

enum {
#define KIND(id, number, symbol, shape, name) KIND_##id = number,
	TRACE_CALLS(KIND)
#undef KIND
};

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
	struct ring_free *m = call_reserve(t, sizeof(*m));

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

/* Frame number i, in a way that the verifier can follow. */
static __always_inline struct frame *frame_at(struct thread *t, uint32_t i)
{
	__asm__ volatile("" : "+r"(i));
	return &t->frames[i & (FRAMES - 1)];
}

static __always_inline void alloc_tell(struct thread *t, const struct frame *f, uint64_t result)
{
	bool freed = !result && !f->size &&
		     (f->shape == SHAPE_REALLOC || f->shape == SHAPE_REALLOCARRAY);
	struct ring_alloc *m = call_reserve(t, sizeof(*m));

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

#endif
