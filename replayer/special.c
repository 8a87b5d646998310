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

struct setting setting;

/* One call with its operand, unpacked. */
struct special {
	unsigned kind;
	uint32_t site;
	uint64_t size;
	uint64_t detail; /* alignment; of a realloc the old block's size */
	uint32_t flags;
	bool remote; /* the block was allocated by another thread */
	struct slot *slot;
	const struct plan_op *part; /* PLAN_TOUCH of the block given; NULL: all of it is touched */
};

void special_exhausted(const struct worker *worker, unsigned kind, uint64_t size)
{
	failure("out of memory: %s of %llu bytes by thread %u failed, which it did not when "
		"recorded",
		verbs_names[kind], (unsigned long long)size, worker->number);
}

static uint64_t key_of(const struct special *s)
{
	return s->site == PLAN_NO_SITE ? 0 : setting.keys[s->site];
}

static void *allocate_aligned(const struct special *s)
{
	const struct verb *verb = &verbs[s->kind];
	void *ptr = NULL;

	if (setting.keys)
		return verb->call(s->detail, s->size, key_of(s));
	switch (s->kind) {
	case TRACE_POSIX_MEMALIGN:
		return verb->call((uintptr_t)&ptr, s->detail, s->size) ? NULL : ptr;
	case TRACE_MEMALIGN:
	case TRACE_ALIGNED_ALLOC:
		return verb->call(s->detail, s->size, 0);
	default: /* C++ */
		return verb->call(s->size, s->detail, verbs_extra(TRACE_NEW_NOTHROW));
	}
}

static void *obtain(const struct special *s)
{
	const struct verb *verb = &verbs[s->kind];

	if (shape_aligned(s->kind))
		return allocate_aligned(s);
	if (setting.keys && s->kind == TRACE_CALLOC)
		return verb->call(s->size, 1, key_of(s));
	if (setting.keys)
		return verb->call(s->size, key_of(s), 0);
	return verb->call(s->size, verb->extra, 0);
}

static void *allocate(struct worker *worker, const struct special *s)
{
	uint64_t begin;
	void *ptr;

	if (!setting.latency)
		return obtain(s);
	begin = latency_begin();
	ptr = obtain(s);
	latency_add(worker, s->kind, s->size, false, latency_end() - begin);
	return ptr;
}

/* The block has grown, or been born, from that size. */
static void touch(const struct special *s, uint64_t from)
{
	if (s->part && setting.touch == RUN_TOUCH_PAGES)
		touch_pages(s->slot->ptr, s->size, s->part->slot, s->part->size);
	else if (setting.touch)
		touch_part(setting.touch, s->slot->ptr, from, s->size);
}

/* Whoever waits for the object may go on. */
static void publish(struct worker *worker, const struct special *s, bool awaited)
{
	atomic_store_explicit(&s->slot->identity, worker->identity++, memory_order_release);
	if (awaited)
		gate_announce(s->slot);
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
	ptr = allocate(worker, &calm);
	if (!ptr)
		return;
	verbs[TRACE_FREE].call((uintptr_t)ptr, 0, 0);
	atomic_fetch_add(&setting.surprises, 1);
}

static void run_birth(struct worker *worker, const struct special *s, bool awaited)
{
	void *ptr;

	if (s->flags & PLAN_FAILED) {
		run_failing(worker, s);
		return;
	}
	ptr = allocate(worker, s);
	if (!ptr && s->size)
		special_exhausted(worker, s->kind, s->size);
	s->slot->ptr = ptr;
	if (setting.census)
		census_birth(ptr, s->size);
	if (setting.check)
		watch_birth(ptr, s->kind, s->size, s->detail, worker->copy | worker->identity);
	else
		touch(s, 0);
	publish(worker, s, awaited);
}

static void release(const struct special *s)
{
	const struct verb *verb = &verbs[s->kind];
	uintptr_t ptr = (uintptr_t)s->slot->ptr;

	switch (s->kind) {
	case TRACE_DELETE_ALIGNED:
	case TRACE_DELETE_ARRAY_ALIGNED:
	case TRACE_DELETE_ALIGNED_NOTHROW:
	case TRACE_DELETE_ARRAY_ALIGNED_NOTHROW:
		verb->call(ptr, s->detail, verbs_extra(TRACE_NEW_NOTHROW));
		break;
	default:
		verb->call(ptr, s->size, s->detail);
	}
}

static void run_death(struct worker *worker, const struct special *s, uint64_t identity)
{
	uint64_t begin;

	if (setting.census)
		census_death(s->slot->ptr, s->size);
	if (setting.check)
		watch_death(s->slot->ptr, s->kind, s->size, worker->copy | identity);
	if (!setting.latency) {
		release(s);
		return;
	}
	begin = latency_begin();
	release(s);
	latency_add(worker, s->kind, s->size, s->remote, latency_end() - begin);
}

static void *resize(const struct special *s, void *old)
{
	const struct verb *verb = &verbs[s->kind];

	if (setting.keys)
		return verb->call((uintptr_t)old, s->size, key_of(s));
	if (s->kind == TRACE_REALLOCARRAY)
		return verb->call((uintptr_t)old, s->size, 1);
	return verb->call((uintptr_t)old, s->size, 0);
}

static void *reallocate(struct worker *worker, const struct special *s, void *old)
{
	uint64_t begin;
	void *ptr;

	if (!setting.latency)
		return resize(s, old);
	begin = latency_begin();
	ptr = resize(s, old);
	latency_add(worker, s->kind, s->size, s->remote, latency_end() - begin);
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
	ptr = reallocate(worker, s, old);
	if (ptr)
		verbs[TRACE_FREE].call((uintptr_t)ptr, 0, 0);
}

/*
 * A realloc that failed when recorded: the object lives on, in the new block if there is one now.
 * It is published anew, so that whoever frees it waits until it is no longer needed here.
 */
static void run_failing_change(struct worker *worker, const struct special *s, void *old,
			       uint64_t old_identity, bool awaited)
{
	void *ptr;

	if (setting.census)
		census_death(old, s->detail);
	ptr = reallocate(worker, s, old);
	atomic_fetch_add(&setting.surprises, !!ptr);
	if (s->flags & PLAN_FROM_NULL) {
		if (ptr)
			verbs[TRACE_FREE].call((uintptr_t)ptr, 0, 0);
		return;
	}
	if (ptr)
		s->slot->ptr = ptr;
	if (setting.census)
		census_birth(s->slot->ptr, s->detail);
	if (setting.check)
		watch_change(s->slot->ptr, s->kind, s->detail, worker->copy | old_identity,
			     s->detail, worker->copy | worker->identity);
	publish(worker, s, awaited);
}

static void run_change(struct worker *worker, const struct special *s, uint64_t old_identity,
		       bool awaited)
{
	bool from_null = s->flags & PLAN_FROM_NULL;
	void *old = from_null ? NULL : s->slot->ptr;
	void *ptr;

	if (s->flags & PLAN_FAILED) {
		run_failing_change(worker, s, old, old_identity, awaited);
		return;
	}
	if (s->flags & PLAN_TO_NOTHING) {
		run_release(worker, s, old, old_identity);
		return;
	}
	if (setting.census)
		census_death(old, s->detail);
	ptr = reallocate(worker, s, old);
	if (!ptr && s->size)
		special_exhausted(worker, s->kind, s->size);
	s->slot->ptr = ptr;
	if (setting.census)
		census_birth(ptr, s->size);
	if (setting.check && from_null)
		watch_birth(ptr, s->kind, s->size, 0, worker->copy | worker->identity);
	else if (setting.check)
		watch_change(ptr, s->kind, s->detail, worker->copy | old_identity, s->size,
			     worker->copy | worker->identity);
	else
		touch(s, s->detail);
	publish(worker, s, awaited);
}

/* part: the entry before, if that tells what is touched; else NULL. */
static const struct plan_op *run_call(struct worker *worker, const struct plan_op *op,
				      const struct plan_op *part)
{
	static const struct plan_operand none;
	bool plain = !(op->code & PLAN_SPECIAL);
	const struct plan_operand *operand = plain ? &none : (const void *)(op + 1);
	bool awaited = op->code & PLAN_AWAITED;
	struct special s = {
		.kind = op->code & PLAN_VERB,
		.site = op->code >> PLAN_SITE_SHIFT,
		.size = (uint64_t)operand->size_high << 32 | op->size,
		.detail = (uint64_t)operand->old_high << 32 | operand->detail,
		.flags = operand->flags,
		.slot = &worker->slots[op->slot],
		.part = part,
	};
	bool foreign = s.flags & PLAN_FOREIGN;
	bool old_known = !foreign && !(s.flags & PLAN_FROM_NULL) &&
			 (shape_changes(s.kind) || shape_frees(s.kind));
	bool born = !foreign && !shape_frees(s.kind) && !(s.flags & PLAN_TO_NOTHING) &&
		    (!(s.flags & PLAN_FAILED) || old_known);
	uint64_t old =
		old_known ? atomic_load_explicit(&s.slot->identity, memory_order_relaxed) : 0;
	uint64_t new = born ? worker->identity : 0;
	uint64_t objects = shape_changes(s.kind) ? digest_pair(old, new) : old | new;
	uint64_t term = digest_term(op->code & PLAN_IDENTITY, s.size,
				    plain ? 0 : digest_detail(s.detail, s.flags), objects);

	s.remote = old_known && latency_remote(worker, old);
	if (foreign)
		; /* what it was made with is not there */
	else if (shape_changes(s.kind))
		run_change(worker, &s, old, awaited);
	else if (shape_frees(s.kind))
		run_death(worker, &s, old);
	else
		run_birth(worker, &s, awaited);
	if (setting.census && !foreign)
		census_call();
	worker->digest = digest_next(worker->digest, term);
	return op + (plain ? 1 : 2);
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

const struct plan_op *special_run(struct worker *worker, const struct plan_op *op)
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
	case PLAN_TOUCH:
		return run_call(worker, op + 1, op);
	default:
		return run_call(worker, op, NULL);
	}
}
