/*
 * The interposed functions. Each has the real one do the work and writes one record: of memory
 * obtained after the real call, of memory given back before it, so that a block's records are
 * published in the order in which its owners had it. A realloc is both, in two records. Whatever
 * the real function calls on its way to memory is part of the same call and not recorded.
 */
#include "callsite.h"
#include "guest.h"
#include "real.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))
#define COLD   __attribute__((noinline, cold))

#define CALLER                                                                                     \
	(struct callsite_call)                                                                     \
	{                                                                                          \
		.addr = (uintptr_t)__builtin_return_address(0),                                    \
		.frame = (uintptr_t)__builtin_frame_address(0) + 16,                               \
		.base = *(uintptr_t *)__builtin_frame_address(0),                                  \
	}

/* NULL: the call is passed on unrecorded. */
INLINE struct pen *enter(const struct callsite_call *call)
{
	struct pen *p = guest_pen;

	if (__builtin_expect(!p->ready, 0)) {
		p = guest_enter(call->addr, call->frame);
		if (!p)
			return NULL;
	}
	p->ready = 0;
	p->frame = call->frame;
	atomic_signal_fence(memory_order_seq_cst);
	return p;
}

INLINE void leave(struct pen *p)
{
	atomic_signal_fence(memory_order_seq_cst);
	p->ready = 1;
}

INLINE uint64_t site_bits(const struct pen *p, struct callsite_call *call)
{
	call->addr &= guest_site_mask;
	call->height = site_height(p->begin, call->frame);
	return (uint64_t)callsite_number(call) << RECORD_SIZE_BITS;
}

/* What the record of the next call has no room for. */
COLD static void write_wide(struct pen *p, uint64_t size, uint64_t align)
{
	struct record *place = pen_place(p);

	if (!place)
		return;
	place->word[0] = record_head(RECORD_WIDE, align & RECORD_ADDR_MAX);
	place->word[1] = size;
	track_publish(&p->track);
}

INLINE void record_birth(struct pen *p, unsigned kind, const void *ptr, size_t size, size_t align,
			 struct callsite_call call)
{
	uint64_t head = record_head(kind, (uintptr_t)ptr);
	uint64_t site = site_bits(p, &call);

	if (__builtin_expect(!ptr, 0) &&
	    !(size == 0 && (kind == TRACE_REALLOC || kind == TRACE_REALLOCARRAY)))
		head |= RECORD_FAILED;
	if (__builtin_expect(size > RECORD_SIZE_MAX || (align & (align - 1)), 0)) {
		write_wide(p, size, align);
		align = 0;
		size = 0;
	}
	if (align)
		head |= (uint64_t)(64 - __builtin_clzll(align)) << 56;
	pen_write(p, (uintptr_t)ptr, head, size | site);
}

INLINE void record_death(struct pen *p, unsigned kind, const void *ptr, struct callsite_call call)
{
	uint64_t site = site_bits(p, &call);

	pen_write(p, (uintptr_t)ptr, record_head(kind, (uintptr_t)ptr), site);
}

INLINE size_t product(size_t count, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes;
}

/* ---- one body a shape ---- */

#define HOOK __attribute__((visibility("default")))

#define HOOK_OBTAIN(kind, symbol, shape, bytes, align)                                             \
	HOOK void *symbol PARAMETERS_##shape                                                       \
	{                                                                                          \
		struct callsite_call call = CALLER;                                                \
		struct pen *p = enter(&call);                                                      \
		void *result = real.symbol ARGUMENTS_##shape;                                      \
                                                                                                   \
		if (p) {                                                                           \
			record_birth(p, kind, result, bytes, align, call);                         \
			leave(p);                                                                  \
		}                                                                                  \
		return result;                                                                     \
	}

#define HOOK_GIVE_BACK(kind, symbol, shape)                                                        \
	HOOK void symbol PARAMETERS_##shape                                                        \
	{                                                                                          \
		struct callsite_call call = CALLER;                                                \
		struct pen *p = ptr ? enter(&call) : NULL;                                         \
                                                                                                   \
		if (p)                                                                             \
			record_death(p, kind, ptr, call);                                          \
		real.symbol ARGUMENTS_##shape;                                                     \
		if (p)                                                                             \
			leave(p);                                                                  \
	}

#define HOOK_RESIZE(kind, symbol, shape, bytes)                                                    \
	HOOK void *symbol PARAMETERS_##shape                                                       \
	{                                                                                          \
		struct callsite_call call = CALLER;                                                \
		struct pen *p = enter(&call);                                                      \
		void *result;                                                                      \
                                                                                                   \
		if (p && ptr)                                                                      \
			pen_write(p, (uintptr_t)ptr, record_head(RECORD_OLD, (uintptr_t)ptr), 0);  \
		result = real.symbol ARGUMENTS_##shape;                                            \
		if (p) {                                                                           \
			record_birth(p, kind, result, bytes, 0, call);                             \
			leave(p);                                                                  \
		}                                                                                  \
		return result;                                                                     \
	}

#define HOOK_ALLOC(kind, symbol)       HOOK_OBTAIN(kind, symbol, ALLOC, size, 0)
#define HOOK_CALLOC(kind, symbol)      HOOK_OBTAIN(kind, symbol, CALLOC, product(count, size), 0)
#define HOOK_MEMALIGN(kind, symbol)    HOOK_OBTAIN(kind, symbol, MEMALIGN, size, align)
#define HOOK_NEW(kind, symbol)         HOOK_OBTAIN(kind, symbol, NEW, size, 0)
#define HOOK_NEW_NOTHROW(kind, symbol) HOOK_OBTAIN(kind, symbol, NEW_NOTHROW, size, 0)
#define HOOK_NEW_ALIGNED(kind, symbol) HOOK_OBTAIN(kind, symbol, NEW_ALIGNED, size, align)
#define HOOK_NEW_ALIGNED_NOTHROW(kind, symbol)                                                     \
	HOOK_OBTAIN(kind, symbol, NEW_ALIGNED_NOTHROW, size, align)
#define HOOK_REALLOC(kind, symbol) HOOK_RESIZE(kind, symbol, REALLOC, size)
#define HOOK_REALLOCARRAY(kind, symbol)                                                            \
	HOOK_RESIZE(kind, symbol, REALLOCARRAY, product(count, size))
#define HOOK_FREE(kind, symbol)                 HOOK_GIVE_BACK(kind, symbol, FREE)
#define HOOK_DELETE(kind, symbol)               HOOK_GIVE_BACK(kind, symbol, DELETE)
#define HOOK_DELETE_SIZED(kind, symbol)         HOOK_GIVE_BACK(kind, symbol, DELETE_SIZED)
#define HOOK_DELETE_NOTHROW(kind, symbol)       HOOK_GIVE_BACK(kind, symbol, DELETE_NOTHROW)
#define HOOK_DELETE_ALIGNED(kind, symbol)       HOOK_GIVE_BACK(kind, symbol, DELETE_ALIGNED)
#define HOOK_DELETE_SIZED_ALIGNED(kind, symbol) HOOK_GIVE_BACK(kind, symbol, DELETE_SIZED_ALIGNED)
#define HOOK_DELETE_ALIGNED_NOTHROW(kind, symbol)                                                  \
	HOOK_GIVE_BACK(kind, symbol, DELETE_ALIGNED_NOTHROW)

#define HOOK_POSIX_MEMALIGN(kind, symbol)                                                          \
	HOOK int symbol PARAMETERS_POSIX_MEMALIGN                                                  \
	{                                                                                          \
		struct callsite_call call = CALLER;                                                \
		struct pen *p = enter(&call);                                                      \
		int status = real.symbol ARGUMENTS_POSIX_MEMALIGN;                                 \
                                                                                                   \
		if (p) {                                                                           \
			record_birth(p, kind, status ? NULL : *out, size, align, call);            \
			leave(p);                                                                  \
		}                                                                                  \
		return status;                                                                     \
	}

#define DECLARE(id, number, symbol, shape, name) RESULT_##shape symbol PARAMETERS_##shape;
#define DEFINE(id, number, symbol, shape, name)  HOOK_##shape(number, symbol)

/* stdlib.h declares the C functions that it knows; these are the others and the C++ ones. */
TRACE_CALLS_CXX(DECLARE)
void *memalign PARAMETERS_MEMALIGN;
void *pvalloc PARAMETERS_ALLOC;

TRACE_CALLS(DEFINE)
