#include "resolution.h"

#include "counters.h"
#include "failure.h"
#include "null.h"
#include "proof.h"
#include "verbs.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

/* What is always needed: by the proof, and by calls that are executed as another kind. */
#define BASE_KINDS                                                                                 \
	(1ull << TRACE_MALLOC | 1ull << TRACE_CALLOC | 1ull << TRACE_REALLOC | 1ull << TRACE_FREE)

static const void *answering; /* the file that malloc comes from */

static void *look_up(unsigned kind)
{
	void *symbol = dlsym(RTLD_DEFAULT, verbs_symbols[kind]);

	if (!symbol)
		failure("nobody defines %s%s", verbs_symbols[kind],
			kind >= TRACE_NEW ? " (C++ calls need libstdc++.so.6)" : "");
	return symbol;
}

static void verb_set(unsigned kind, void *symbol)
{
	memcpy(&verbs[kind].call, &symbol, sizeof(symbol));
	verbs[kind].extra = verbs_extra(kind);
}

static void *valloc_by_memalign(uintptr_t size, uintptr_t b, uintptr_t c)
{
	(void)b, (void)c;
	return verbs[TRACE_MEMALIGN].call((uintptr_t)sysconf(_SC_PAGESIZE), size, 0);
}

static void *pvalloc_by_memalign(uintptr_t size, uintptr_t b, uintptr_t c)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	return valloc_by_memalign((size + page - 1) / page * page, b, c);
}

/*
 * Kinds whose foreign version would give blocks of another heap. The rest (C++ operators,
 * reallocarray) may belong to libstdc++ and the C library, which call the allocator's malloc.
 */
static bool kind_owned(unsigned kind)
{
	return kind < TRACE_NEW && kind != TRACE_REALLOCARRAY;
}

/* The aligned function of the allocator's own that does the work of one it lacks. */
static unsigned stand_in(unsigned kind, const void *owner)
{
	static const unsigned aligned[] = {TRACE_MEMALIGN, TRACE_ALIGNED_ALLOC};

	for (size_t i = 0; i < sizeof(aligned) / sizeof(*aligned); i++)
		if (aligned[i] != kind && proof_base(look_up(aligned[i])) == owner)
			return aligned[i];
	failure("it does not define %s, which the trace calls", verbs_symbols[kind]);
}

static void resolve_lacking(unsigned kind, const void *owner)
{
	unsigned other = stand_in(kind, owner);

	if (kind == TRACE_VALLOC || kind == TRACE_PVALLOC) {
		verb_set(TRACE_MEMALIGN, look_up(other));
		verbs[kind].call = kind == TRACE_VALLOC ? valloc_by_memalign : pvalloc_by_memalign;
	} else if (kind == TRACE_MEMALIGN || kind == TRACE_ALIGNED_ALLOC) {
		verb_set(kind, look_up(other));
	} else {
		failure("it does not define %s, which the trace calls", verbs_symbols[kind]);
	}
	failure_note("%s is executed by %s: the allocator has none of its own\n",
		     verbs_symbols[kind], verbs_symbols[other]);
}

static void resolve_kind(unsigned kind, const void *owner)
{
	void *symbol = look_up(kind);

	if (kind_owned(kind) && proof_base(symbol) != owner)
		resolve_lacking(kind, owner);
	else
		verb_set(kind, symbol);
}

/* hakmem's functions that take a site, in place of the plain ones. */
static void resolve_sites(void)
{
	static const struct {
		unsigned kind;
		const char *symbol;
	} at[] = {
		{TRACE_MALLOC, "hak_malloc_at"},
		{TRACE_CALLOC, "hak_calloc_at"},
		{TRACE_REALLOC, "hak_realloc_at"},
		{TRACE_REALLOCARRAY, "hak_realloc_at"},
		{TRACE_MEMALIGN, "hak_memalign_at"},
		{TRACE_ALIGNED_ALLOC, "hak_memalign_at"},
		{TRACE_POSIX_MEMALIGN, "hak_memalign_at"},
		{TRACE_VALLOC, "hak_valloc_at"},
		{TRACE_PVALLOC, "hak_valloc_at"},
		{TRACE_NEW, "hak_malloc_at"},
		{TRACE_NEW_ARRAY, "hak_malloc_at"},
		{TRACE_NEW_NOTHROW, "hak_malloc_at"},
		{TRACE_NEW_ARRAY_NOTHROW, "hak_malloc_at"},
		{TRACE_NEW_ALIGNED, "hak_memalign_at"},
		{TRACE_NEW_ARRAY_ALIGNED, "hak_memalign_at"},
		{TRACE_NEW_ALIGNED_NOTHROW, "hak_memalign_at"},
		{TRACE_NEW_ARRAY_ALIGNED_NOTHROW, "hak_memalign_at"},
	};

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++) {
		void *symbol = dlsym(RTLD_DEFAULT, at[i].symbol);

		if (!symbol)
			failure("it does not define %s", at[i].symbol);
		verb_set(at[i].kind, symbol);
	}
}

static void resolve_hakmem(struct run *run)
{
	void *symbol = dlsym(RTLD_DEFAULT, "hak_stats_get");

	if (!symbol)
		failure("%s is not hakmem: no hak_stats_get", run->outcome.path);
	if (run->order.sites)
		resolve_sites();
}

/* Who throws would only end the process; this says why. */
static void new_failed(void)
{
	failure("out of memory: an operator new failed, which it did not when recorded");
}

static void new_handler_set(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "_ZSt15set_new_handlerPFvvE");
	void (*(*set)(void (*handler)(void)))(void);

	memcpy(&set, &symbol, sizeof(set));
	if (set)
		set(new_failed);
}

void resolution_make(struct run *run, uint64_t kinds)
{
	void *symbol;

	if (run->order.null) {
		null_make();
		return;
	}
	answering = proof_owner(run);
	for (unsigned kind = 0; kind <= PLAN_VERB; kind++)
		if ((kinds | BASE_KINDS) >> kind & 1)
			resolve_kind(kind, answering);
	if (kinds >> TRACE_NEW)
		new_handler_set();
	symbol = dlsym(RTLD_DEFAULT, "malloc_usable_size");
	if (symbol && proof_base(symbol) == answering)
		memcpy(&verbs_usable_size, &symbol, sizeof(symbol));
	proof_behaviour();
	if (run->order.hakmem)
		resolve_hakmem(run);
}

void resolution_counters(struct run *run)
{
	counters_read(&run->outcome, answering);
}

void resolution_parts(struct run *run)
{
	void *symbol = dlsym(RTLD_DEFAULT, "hak_part_get");
	struct run_outcome *outcome = &run->outcome;
	int (*part_get)(unsigned number, struct hak_part *part);

	if (!symbol)
		failure("it does not tell its parts: no hak_part_get");
	memcpy(&part_get, &symbol, sizeof(symbol));
	while (outcome->n_hak_parts < RUN_HAK_PARTS &&
	       !part_get(outcome->n_hak_parts, &outcome->hak_parts[outcome->n_hak_parts]))
		outcome->n_hak_parts++;
}
