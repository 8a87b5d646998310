#include "watch.h"

#include "pattern.h"
#include "verbs.h"

#include <stdarg.h>
#include <stdio.h>

static struct run_outcome *outcome;

void watch_init(struct run_outcome *to)
{
	outcome = to;
}

/* Object numbers count from 0 within the thread that allocated. */
#define OBJECT_FORMAT    "thread %u object %u"
#define OBJECT(identity) (uint32_t)((identity) >> 32 & 0xffff) - 1, (uint32_t)(identity)

__attribute__((format(printf, 1, 2), cold)) static void fault(const char *format, ...)
{
	uint64_t number = atomic_fetch_add(&outcome->check_errors, 1);
	va_list args;

	if (number >= sizeof(outcome->faults) / sizeof(*outcome->faults))
		return;
	va_start(args, format);
	vsnprintf(outcome->faults[number], sizeof(*outcome->faults), format, args);
	va_end(args);
}

/* The alignment that C promises for a block of that size: a type that fits in it may lie there. */
static size_t promised(size_t size)
{
	size_t align = 1;

	while (2 * align <= size && align < _Alignof(max_align_t))
		align *= 2;
	return align;
}

static size_t align_of(unsigned kind, size_t size, size_t align)
{
	if (kind == TRACE_VALLOC || kind == TRACE_PVALLOC)
		return 4096;
	return align ? align : promised(size);
}

static void look(void *ptr, unsigned kind, size_t size, size_t align, uint64_t identity)
{
	size_t wanted = align_of(kind, size, align);

	if (size && (uintptr_t)ptr % wanted)
		fault("%s(%zu) of " OBJECT_FORMAT ": %p is not aligned to %zu", verbs_names[kind],
		      size, OBJECT(identity), ptr, wanted);
	if (verbs_usable_size && verbs_usable_size(ptr) < size)
		fault("%s(%zu) of " OBJECT_FORMAT ": only %zu bytes are usable", verbs_names[kind],
		      size, OBJECT(identity), verbs_usable_size(ptr));
}

void watch_birth(void *ptr, unsigned kind, size_t size, size_t align, uint64_t identity)
{
	if (!ptr)
		return;
	look(ptr, kind, size, align, identity);
	if (kind == TRACE_CALLOC && pattern_nonzero(ptr, size) < size)
		fault("calloc(%zu) of " OBJECT_FORMAT ": byte %zu is not zero", size,
		      OBJECT(identity), pattern_nonzero(ptr, size));
	pattern_fill(ptr, size, identity);
}

void watch_change(void *ptr, unsigned kind, size_t old_size, uint64_t old_identity, size_t size,
		  uint64_t identity)
{
	size_t kept = old_size < size ? old_size : size;
	size_t wrong;

	if (!ptr)
		return;
	look(ptr, kind, size, 0, identity);
	wrong = pattern_differs(ptr, kept, old_identity);
	if (wrong < kept)
		fault("%s(%zu) of " OBJECT_FORMAT ": byte %zu of the old %zu was not kept",
		      verbs_names[kind], size, OBJECT(old_identity), wrong, old_size);
	pattern_fill(ptr, size, identity);
}

static void look_over(const char *when, const void *ptr, size_t size, uint64_t identity)
{
	size_t wrong = ptr ? pattern_differs(ptr, size, identity) : size;

	if (wrong < size)
		fault("%s of " OBJECT_FORMAT ": byte %zu of %zu was overwritten", when,
		      OBJECT(identity), wrong, size);
}

void watch_death(const void *ptr, unsigned kind, size_t size, uint64_t identity)
{
	look_over(verbs_names[kind], ptr, size, identity);
}

void watch_end(const void *ptr, size_t size, uint64_t identity)
{
	look_over("end", ptr, size, identity);
}
