#include "special.h"

#include "census.h"
#include "digest.h"
#include "failure.h"
#include "latency.h"
#include "roster.h"
#include "setting.h"
#include "shape.h"
#include "touch.h"
#include "verbs.h"
#include "watch.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ALWAYS      inline __attribute__((always_inline))

struct setting setting;

/*
 * One call with its operand, unpacked. What follows is inlined twice: for calls that are *bare*,
 * just made, with nothing odd about them, and for all others.
 */
struct special {
	const struct plan_op *op;
	unsigned kind;
	uint64_t size;
	uint64_t detail; /* alignment; of a realloc the old block's size */
	uint32_t flags;
	struct slot *slot;
	const struct plan_op *part; /* PLAN_TOUCH of the block given; NULL: all of it is touched */
};

void special_exhausted(const struct worker *worker, unsigned kind, uint64_t size)
{
	failure("out of memory: %s of %llu bytes by thread %u failed, which it did not when "
		"recorded",
		verbs_names[kind], (unsigned long long)size, worker->number);
}

static ALWAYS uint64_t key_of(const struct special *s)
{
	uint32_t site = s->op->code >> PLAN_SITE_SHIFT;

	return site == PLAN_NO_SITE ? 0 : setting.keys[site];
}

static ALWAYS void *allocate_aligned(const struct special *s, const bool bare)
{
	const struct verb *verb = &verbs[s->kind];
	void *ptr = NULL;

	if (!bare && setting.keys)
		return verb->call(s->detail, s->size, key_of(s));
	switch (s->kind) {
	case TRACE_POSIX_MEMALIGN:
		return verb->call((uintptr_t)&ptr, s->detail, s->size) ? NULL : ptr;
	case TRACE_MEMALIGN:
	case TRACE_ALIGNED_ALLOC:
		return verb->call(s->detail, s->size, 0);
	default: /* C++ */
		return verb->call(s->size, s->detail, verb->extra);
	}
}

static ALWAYS void *obtain(const struct special *s, const bool bare)
{
	const struct verb *verb = &verbs[s->kind];

	if (shape_aligned(s->kind))
		return allocate_aligned(s, bare);
	if (!bare && setting.keys && s->kind == TRACE_CALLOC)
		return verb->call(s->size, 1, key_of(s));
	if (!bare && setting.keys)
		return verb->call(s->size, key_of(s), 0);
	return verb->call(s->size, verb->extra, 0);
}

static ALWAYS void *allocate(struct worker *worker, const struct special *s, const bool bare)
{
	uint64_t begin = !bare && setting.latency ? latency_begin() : 0;
	void *ptr = obtain(s, bare);

	if (!bare && setting.latency)
		latency_add(worker, s->kind, s->size, false, latency_end() - begin);
	return ptr;
}

/* The block in the slot has grown, or been born, from that size. */
static ALWAYS void touch(const struct special *s, uint64_t from)
{
	if (s->part && setting.touch == RUN_TOUCH_PAGES)
		touch_pages(s->slot->ptr, s->size, s->part->slot, s->part->size);
	else if (setting.touch)
		touch_part(setting.touch, s->slot->ptr, from, s->size);
}

/* Whoever waits for the object may go on. Returns its identity. */
static ALWAYS uint64_t publish(struct worker *worker, const struct special *s)
{
	uint64_t identity = worker->identity++;

	atomic_store_explicit(&s->slot->identity, identity, memory_order_release);
	if (unlikely(s->op->code & PLAN_AWAITED))
		gate_announce(s->slot);
	return identity;
}

/*
 * A call that failed when recorded is made as well; what it gives, if it does give something now,
 * goes back at once. A throwing new is made as malloc: nobody here would catch what it throws.
 */
static void run_failing(struct worker *worker, const struct special *s)
{
	struct special calm = *s;
	void *ptr;

	if (s->kind >= TRACE_NEW)
		calm.kind = TRACE_MALLOC;
	ptr = allocate(worker, &calm, false);
	if (!ptr)
		return;
	verbs[TRACE_FREE].call((uintptr_t)ptr, 0, 0);
	atomic_fetch_add(&setting.surprises, 1);
}

/* These run one call, and return what it is about to the digest. */
static ALWAYS uint64_t run_birth(struct worker *worker, const struct special *s, const bool bare)
{
	void *ptr;

	if (!bare && s->flags & PLAN_FAILED) {
		run_failing(worker, s);
		return 0;
	}
	ptr = allocate(worker, s, bare);
	if (unlikely(!ptr) && s->size)
		special_exhausted(worker, s->kind, s->size);
	s->slot->ptr = ptr;
	if (!bare && setting.census)
		census_birth(ptr, s->size);
	if (!bare && setting.check)
		watch_birth(ptr, s->kind, s->size, s->detail, worker->copy | worker->identity);
	else
		touch(s, 0);
	return publish(worker, s);
}

static ALWAYS void release(const struct special *s)
{
	const struct verb *verb = &verbs[s->kind];
	uintptr_t ptr = (uintptr_t)s->slot->ptr;

	switch (s->kind) {
	case TRACE_DELETE_ALIGNED:
	case TRACE_DELETE_ARRAY_ALIGNED:
	case TRACE_DELETE_ALIGNED_NOTHROW:
	case TRACE_DELETE_ARRAY_ALIGNED_NOTHROW:
		verb->call(ptr, s->detail, verb->extra);
		break;
	default:
		verb->call(ptr, s->size, s->detail);
	}
}

static ALWAYS uint64_t run_death(struct worker *worker, const struct special *s, const bool bare)
{
	uint64_t identity = atomic_load_explicit(&s->slot->identity, memory_order_relaxed);
	uint64_t begin;

	if (!bare && setting.census)
		census_death(s->slot->ptr, s->size);
	if (!bare && setting.check)
		watch_death(s->slot->ptr, s->kind, s->size, worker->copy | identity);
	begin = !bare && setting.latency ? latency_begin() : 0;
	release(s);
	if (!bare && setting.latency)
		latency_add(worker, s->kind, s->size, latency_remote(worker, identity),
			    latency_end() - begin);
	return identity;
}

static ALWAYS void *resize(const struct special *s, void *old, const bool bare)
{
	const struct verb *verb = &verbs[s->kind];

	return verb->call((uintptr_t)old, s->size, !bare && setting.keys ? key_of(s) : verb->extra);
}

/* old_identity: 0 for NULL. */
static ALWAYS void *reallocate(struct worker *worker, const struct special *s, void *old,
			       uint64_t old_identity, const bool bare)
{
	uint64_t begin = !bare && setting.latency ? latency_begin() : 0;
	void *ptr = resize(s, old, bare);

	if (!bare && setting.latency)
		latency_add(worker, s->kind, s->size,
			    old_identity && latency_remote(worker, old_identity),
			    latency_end() - begin);
	return ptr;
}

/* realloc that freed when recorded: where this allocator gives a block instead, it goes back. */
static void run_release(struct worker *worker, const struct special *s, void *old,
			uint64_t old_identity)
{
	void *ptr;

	if (setting.census)
		census_death(old, s->detail);
	if (setting.check && old)
		watch_death(old, s->kind, s->detail, worker->copy | old_identity);
	ptr = reallocate(worker, s, old, old_identity, false);
	if (ptr)
		verbs[TRACE_FREE].call((uintptr_t)ptr, 0, 0);
}

/*
 * A realloc that failed when recorded: the object lives on, in the new block if there is one now.
 * It is published anew, so that whoever frees it waits until it is no longer needed here.
 */
static uint64_t run_failing_change(struct worker *worker, const struct special *s, void *old,
				   uint64_t old_identity)
{
	void *ptr;

	if (setting.census)
		census_death(old, s->detail);
	ptr = reallocate(worker, s, old, old_identity, false);
	atomic_fetch_add(&setting.surprises, !!ptr);
	if (s->flags & PLAN_FROM_NULL) {
		if (ptr)
			verbs[TRACE_FREE].call((uintptr_t)ptr, 0, 0);
		return 0;
	}
	if (ptr)
		s->slot->ptr = ptr;
	if (setting.census)
		census_birth(s->slot->ptr, s->detail);
	if (setting.check)
		watch_change(s->slot->ptr, s->kind, s->detail, worker->copy | old_identity,
			     s->detail, worker->copy | worker->identity);
	return publish(worker, s);
}

/* Returns the new object's identity, 0 if there is none. */
static ALWAYS uint64_t run_change(struct worker *worker, const struct special *s, void *old,
				  uint64_t old_identity, const bool bare)
{
	void *ptr;

	if (!bare && s->flags & PLAN_FAILED)
		return run_failing_change(worker, s, old, old_identity);
	if (!bare && s->flags & PLAN_TO_NOTHING) {
		run_release(worker, s, old, old_identity);
		return 0;
	}
	if (!bare && setting.census)
		census_death(old, s->detail);
	ptr = reallocate(worker, s, old, old_identity, bare);
	if (unlikely(!ptr) && s->size)
		special_exhausted(worker, s->kind, s->size);
	s->slot->ptr = ptr;
	if (!bare && setting.census)
		census_birth(ptr, s->size);
	if (!bare && setting.check && s->flags & PLAN_FROM_NULL)
		watch_birth(ptr, s->kind, s->size, 0, worker->copy | worker->identity);
	else if (!bare && setting.check)
		watch_change(ptr, s->kind, s->detail, worker->copy | old_identity, s->size,
			     worker->copy | worker->identity);
	else
		touch(s, s->detail);
	return publish(worker, s);
}

static ALWAYS uint64_t run_objects(struct worker *worker, const struct special *s, const bool bare)
{
	uint64_t old_identity = 0;
	void *old = NULL;

	if (shape_frees(s->kind))
		return run_death(worker, s, bare);
	if (!shape_changes(s->kind))
		return run_birth(worker, s, bare);
	if (!(s->flags & PLAN_FROM_NULL)) {
		old = s->slot->ptr;
		old_identity = atomic_load_explicit(&s->slot->identity, memory_order_relaxed);
	}
	return digest_pair(old_identity, run_change(worker, s, old, old_identity, bare));
}

/* part: the entry before, if that tells what is touched; else NULL. */
static ALWAYS const struct plan_op *run(struct worker *worker, const struct plan_op *op,
					const struct plan_op *part, const bool bare)
{
	static const struct plan_operand none;
	bool plain = !bare && !(op->code & PLAN_SPECIAL);
	const struct plan_operand *operand = plain ? &none : (const void *)(op + 1);
	const struct special s = {
		.op = op,
		.kind = op->code & PLAN_VERB,
		.size = (uint64_t)operand->size_high << 32 | op->size,
		.detail = (uint64_t)operand->old_high << 32 | operand->detail,
		.flags = bare ? operand->flags & PLAN_FROM_NULL : operand->flags,
		.slot = &worker->slots[op->slot],
		.part = part,
	};
	/* A foreign block is not there. */
	uint64_t objects = s.flags & PLAN_FOREIGN ? 0 : run_objects(worker, &s, bare);
	uint64_t detail = plain ? 0 : digest_detail(s.detail, s.flags);

	if (!bare && setting.census && !(s.flags & PLAN_FOREIGN))
		census_call();
	worker->digest = digest_next(
		worker->digest, digest_term(op->code & PLAN_IDENTITY, s.size, detail, objects));
	return op + (plain ? 1 : 2);
}

static __attribute__((noinline)) const struct plan_op *run_bare(struct worker *worker,
								const struct plan_op *op)
{
	return run(worker, op, NULL, true);
}

static __attribute__((noinline)) const struct plan_op *
run_any(struct worker *worker, const struct plan_op *op, const struct plan_op *part)
{
	return run(worker, op, part, false);
}

static void digest_verb(struct worker *worker, const struct plan_op *op)
{
	uint64_t term = digest_term(op->code & PLAN_IDENTITY, op->slot, 0, 0);

	worker->digest = digest_next(worker->digest, term);
}

static void verify_survivor(const struct worker *worker, const struct plan_op *op)
{
	const struct plan_operand *operand = (const void *)(op + 1);
	const struct slot *slot = &worker->slots[op->slot];

	watch_end(slot->ptr, (uint64_t)operand->size_high << 32 | op->size,
		  worker->copy | atomic_load_explicit(&slot->identity, memory_order_relaxed));
}

static __attribute__((noinline)) const struct plan_op *run_verb(struct worker *worker,
								const struct plan_op *op)
{
	const struct plan_operand *operand = (const void *)(op + 1);

	switch (op->code & PLAN_VERB) {
	case PLAN_WAIT:
		gate_wait(&worker->slots[op->slot],
			  plan_identity(op->code >> PLAN_SITE_SHIFT, op->size));
		return op + 1;
	case PLAN_EPOCH:
		gate_pass(&worker->crew->gate, op->slot, op->size);
		return op + 1;
	case PLAN_FOLD:
		gate_fold((int64_t)((uint64_t)op->size << 32 | op->slot),
			  (uint64_t)operand->size_high << 32 | operand->detail);
		return op + 2;
	case PLAN_SPAWN:
		digest_verb(worker, op);
		setting.spawn(&worker->crew->workers[op->slot]);
		return op + 1;
	case PLAN_SURVIVOR:
		verify_survivor(worker, op);
		return op + 2;
	case PLAN_EXIT:
		digest_verb(worker, op);
		worker->ended = true;
		return op + 1;
	default: /* PLAN_TOUCH */
		return run_any(worker, op + 1, op);
	}
}

const struct plan_op *special_run(struct worker *worker, const struct plan_op *op, bool bare)
{
	const struct plan_operand *operand = (const void *)(op + 1);

	if (unlikely((op->code & PLAN_VERB) >= PLAN_WAIT))
		return run_verb(worker, op);
	if (likely(bare && !(operand->flags & ~PLAN_FROM_NULL)))
		return run_bare(worker, op);
	return run_any(worker, op, NULL);
}
