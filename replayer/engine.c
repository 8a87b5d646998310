#include "engine.h"

#include "digest.h"
#include "gate.h"
#include "setting.h"
#include "shape.h"
#include "special.h"
#include "touch.h"
#include "verbs.h"
#include "watch.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ALWAYS      inline __attribute__((always_inline))

#define AHEAD 8 /* entries: how far ahead slots are fetched into the cache */

_Static_assert(AHEAD <= PLAN_PADDING, "prefetching reads entries past the end");

/*
 * One plain allocation. How a block is obtained, written and published is the same for all
 * allocators; with sites, hakmem's functions are told the site's key.
 */
static ALWAYS void birth(struct worker *worker, const struct plan_op *op, struct slot *slot,
			 uint64_t identity, const bool check, const bool sites)
{
	const unsigned kind = op->code & PLAN_VERB;
	const struct verb *verb = &verbs[kind];
	uint32_t site = op->code >> PLAN_SITE_SHIFT;
	uint64_t key = sites && site != PLAN_NO_SITE ? setting.keys[site] : 0;
	void *ptr;

	if (sites && kind != TRACE_CALLOC)
		ptr = verb->call(op->size, key, 0);
	else
		ptr = verb->call(op->size, verb->extra, key);
	if (unlikely(!ptr) && op->size)
		special_exhausted(worker, kind, op->size);
	slot->ptr = ptr;
	if (check)
		watch_birth(ptr, kind, op->size, 0, worker->copy | identity);
	else if (setting.touch)
		touch_part(setting.touch, ptr, 0, op->size);
	atomic_store_explicit(&slot->identity, identity, memory_order_release);
	if (unlikely(op->code & PLAN_AWAITED))
		gate_announce(slot);
}

static ALWAYS void death(struct worker *worker, const struct plan_op *op, struct slot *slot,
			 uint64_t identity, const bool check)
{
	const unsigned kind = op->code & PLAN_VERB;

	if (check)
		watch_death(slot->ptr, kind, op->size, worker->copy | identity);
	verbs[kind].call((uintptr_t)slot->ptr, op->size, 0);
}

static ALWAYS void run(struct worker *worker, uint64_t entries, const bool check, const bool sites)
{
	const struct plan_op *op = worker->next;
	uint64_t digest = worker->digest;
	uint64_t identity = worker->identity;
	struct slot *const slots = worker->slots;

	for (; entries; entries--) {
		struct slot *slot = &slots[op->slot];
		uint64_t object;

		__builtin_prefetch(&slots[op[AHEAD].slot], 1);
		if (unlikely(op->code & PLAN_SPECIAL)) {
			worker->digest = digest;
			worker->identity = identity;
			op = special_run(worker, op);
			digest = worker->digest;
			identity = worker->identity;
			continue;
		}
		if (shape_frees(op->code & PLAN_VERB)) {
			object = atomic_load_explicit(&slot->identity, memory_order_relaxed);
			death(worker, op, slot, object, check);
		} else {
			object = identity++;
			birth(worker, op, slot, object, check, sites);
		}
		digest = digest_next(digest,
				     digest_term(op->code & PLAN_IDENTITY, op->size, 0, object));
		op++;
	}
	__builtin_prefetch(op);
	worker->next = op;
	worker->digest = digest;
	worker->identity = identity;
}

static __attribute__((noinline)) void run_plain(struct worker *worker, uint64_t entries)
{
	run(worker, entries, false, false);
}

static __attribute__((noinline)) void run_sites(struct worker *worker, uint64_t entries)
{
	run(worker, entries, false, true);
}

static __attribute__((noinline)) void run_check(struct worker *worker, uint64_t entries)
{
	run(worker, entries, true, false);
}

static __attribute__((noinline)) void run_check_sites(struct worker *worker, uint64_t entries)
{
	run(worker, entries, true, true);
}

void engine_run(struct worker *worker, uint64_t entries)
{
	if (likely(!setting.check && !setting.keys))
		run_plain(worker, entries);
	else if (!setting.check)
		run_sites(worker, entries);
	else if (!setting.keys)
		run_check(worker, entries);
	else
		run_check_sites(worker, entries);
}
