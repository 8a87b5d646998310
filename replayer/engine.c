#include "engine.h"

#include "census.h"
#include "digest.h"
#include "gate.h"
#include "latency.h"
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

/* What else is done with every call. */
enum mode { PLAIN, CHECK, LATENCY, CENSUS };

/*
 * One plain allocation. How a block is obtained, written and published is the same for all
 * allocators; with sites, hakmem's functions are told the site's key.
 */
static ALWAYS void birth(struct worker *worker, const struct plan_op *op, struct slot *slot,
			 uint64_t identity, const enum mode mode, const bool sites)
{
	const unsigned kind = op->code & PLAN_VERB;
	const struct verb *verb = &verbs[kind];
	uint32_t site = op->code >> PLAN_SITE_SHIFT;
	uint64_t key = sites && site != PLAN_NO_SITE ? setting.keys[site] : 0;
	uint64_t begin = mode == LATENCY ? latency_begin() : 0;
	void *ptr;

	if (sites && kind != TRACE_CALLOC)
		ptr = verb->call(op->size, key, 0);
	else
		ptr = verb->call(op->size, verb->extra, key);
	if (mode == LATENCY)
		latency_add(worker, kind, op->size, false, latency_end() - begin);
	if (unlikely(!ptr) && op->size)
		special_exhausted(worker, kind, op->size);
	slot->ptr = ptr;
	if (mode == CENSUS)
		census_birth(ptr, op->size);
	if (mode == CHECK)
		watch_birth(ptr, kind, op->size, 0, worker->copy | identity);
	else if (setting.touch)
		touch_part(setting.touch, ptr, 0, op->size);
	atomic_store_explicit(&slot->identity, identity, memory_order_release);
	if (unlikely(op->code & PLAN_AWAITED))
		gate_announce(slot);
}

static ALWAYS void death(struct worker *worker, const struct plan_op *op, struct slot *slot,
			 uint64_t identity, const enum mode mode)
{
	const unsigned kind = op->code & PLAN_VERB;
	uint64_t begin;

	if (mode == CHECK)
		watch_death(slot->ptr, kind, op->size, worker->copy | identity);
	if (mode == CENSUS)
		census_death(slot->ptr, op->size);
	begin = mode == LATENCY ? latency_begin() : 0;
	verbs[kind].call((uintptr_t)slot->ptr, op->size, 0);
	if (mode == LATENCY)
		latency_add(worker, kind, op->size, latency_remote(worker, identity),
			    latency_end() - begin);
}

static ALWAYS void run(struct worker *worker, uint64_t entries, const enum mode mode,
		       const bool sites)
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
			op = special_run(worker, op, mode == PLAIN && !sites);
			digest = worker->digest;
			identity = worker->identity;
			continue;
		}
		if (shape_frees(op->code & PLAN_VERB)) {
			object = atomic_load_explicit(&slot->identity, memory_order_relaxed);
			death(worker, op, slot, object, mode);
		} else {
			object = identity++;
			birth(worker, op, slot, object, mode, sites);
		}
		if (mode == CENSUS)
			census_call();
		digest = digest_next(digest, digest_word(plan_word(op), object));
		op++;
	}
	__builtin_prefetch(op);
	worker->next = op;
	worker->digest = digest;
	worker->identity = identity;
}

#define RUN(name, mode, sites)                                                                     \
	static __attribute__((noinline)) void name(struct worker *worker, uint64_t entries)        \
	{                                                                                          \
		run(worker, entries, mode, sites);                                                 \
	}
RUN(run_plain, PLAIN, false)
RUN(run_sites, PLAIN, true)
RUN(run_check, CHECK, false)
RUN(run_check_sites, CHECK, true)
RUN(run_latency, LATENCY, false)
RUN(run_latency_sites, LATENCY, true)
RUN(run_census, CENSUS, false)
RUN(run_census_sites, CENSUS, true)
#undef RUN

void engine_run(struct worker *worker, uint64_t entries)
{
	if (setting.check)
		(setting.keys ? run_check_sites : run_check)(worker, entries);
	else if (setting.latency)
		(setting.keys ? run_latency_sites : run_latency)(worker, entries);
	else if (setting.census)
		(setting.keys ? run_census_sites : run_census)(worker, entries);
	else
		(setting.keys ? run_sites : run_plain)(worker, entries);
	if (unlikely(setting.latency && worker->ended))
		latency_leave(worker);
}
