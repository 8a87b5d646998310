/*
 * The interposed functions. Each has the real one do the work and writes one record: of memory
 * obtained after the real call, of memory given back before it, so that a block's records are
 * published in the order in which its owners had it. A realloc is both, in two records. Whatever
 * the real function calls on its way to memory is part of the same call and not recorded.
 */
#include "callsite.h"
#include "guest.h"
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))

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
	p->frame = call->frame;
	atomic_signal_fence(memory_order_seq_cst);
	p->ready = 0;
	atomic_signal_fence(memory_order_seq_cst);
	return p;
}

INLINE void leave(struct pen *p)
{
	atomic_signal_fence(memory_order_seq_cst);
	p->ready = 1;
}

INLINE uint32_t site_of(const struct pen *p, struct callsite_call call)
{
	call.addr &= guest_site_mask;
	call.height = site_height(p->begin, call.frame);
	return callsite_number(&call);
}

INLINE void record_birth(struct pen *p, const void *ptr, struct pen_birth birth)
{
	/* A realloc to size 0 that returns NULL has freed the block. */
	bool freed =
		(birth.kind == TRACE_REALLOC || birth.kind == TRACE_REALLOCARRAY) && !birth.size;

	pen_write_birth(p, ptr, &birth, ptr || freed ? 0 : RECORD_FAILED);
}

INLINE void record_death(struct pen *p, unsigned kind, const void *ptr, struct callsite_call call)
{
	pen_write(p, (uintptr_t)ptr, record_head(kind, (uintptr_t)ptr),
		  (uint64_t)site_of(p, call) << RECORD_SIZE_BITS);
}

INLINE size_t product(size_t count, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes;
}

/* ---- one body a shape ---- */

#define HOOK __attribute__((visibility("default")))

#define HOOK_OBTAIN(number, symbol, shape, bytes, align)                                           \
	HOOK void *symbol PARAMETERS_##shape                                                       \
	{                                                                                          \
		struct callsite_call call = CALLER;                                                \
		struct pen *p = enter(&call);                                                      \
		void *result = real.symbol ARGUMENTS_##shape;                                      \
                                                                                                   \
		if (p) {                                                                           \
			record_birth(p, result,                                                    \
				     (struct pen_birth){number, site_of(p, call), bytes, align});  \
			leave(p);                                                                  \
		}                                                                                  \
		return result;                                                                     \
	}

/* One that never returns NULL: it throws. */
#define HOOK_THROW(number, symbol, shape, align)                                                   \
	HOOK void *symbol PARAMETERS_##shape                                                       \
	{                                                                                          \
		struct callsite_call call = CALLER;                                                \
		struct pen *p = enter(&call);                                                      \
		void *result;                                                                      \
                                                                                                   \
		if (p)                                                                             \
			p->throwing = (struct pen_birth){number, site_of(p, call), size, align};   \
		result = real.symbol ARGUMENTS_##shape;                                            \
		if (p) {                                                                           \
			record_birth(p, result, p->throwing);                                      \
			p->throwing.kind = 0;                                                      \
			leave(p);                                                                  \
		}                                                                                  \
		return result;                                                                     \
	}

#define HOOK_GIVE_BACK(number, symbol, shape)                                                      \
	HOOK void symbol PARAMETERS_##shape                                                        \
	{                                                                                          \
		struct callsite_call call = CALLER;                                                \
		struct pen *p = ptr ? enter(&call) : NULL;                                         \
                                                                                                   \
		if (p)                                                                             \
			record_death(p, number, ptr, call);                                        \
		real.symbol ARGUMENTS_##shape;                                                     \
		if (p)                                                                             \
			leave(p);                                                                  \
	}

#define HOOK_RESIZE(number, symbol, shape, bytes)                                                  \
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
			record_birth(p, result,                                                    \
				     (struct pen_birth){number, site_of(p, call), bytes, 0});      \
			leave(p);                                                                  \
		}                                                                                  \
		return result;                                                                     \
	}

#define HOOK_ALLOC(number, symbol)       HOOK_OBTAIN(number, symbol, ALLOC, size, 0)
#define HOOK_CALLOC(number, symbol)      HOOK_OBTAIN(number, symbol, CALLOC, product(count, size), 0)
#define HOOK_MEMALIGN(number, symbol)    HOOK_OBTAIN(number, symbol, MEMALIGN, size, align)
#define HOOK_NEW(number, symbol)         HOOK_THROW(number, symbol, NEW, 0)
#define HOOK_NEW_NOTHROW(number, symbol) HOOK_OBTAIN(number, symbol, NEW_NOTHROW, size, 0)
#define HOOK_NEW_ALIGNED(number, symbol) HOOK_THROW(number, symbol, NEW_ALIGNED, align)
#define HOOK_NEW_ALIGNED_NOTHROW(number, symbol)                                                   \
	HOOK_OBTAIN(number, symbol, NEW_ALIGNED_NOTHROW, size, align)
#define HOOK_REALLOC(number, symbol) HOOK_RESIZE(number, symbol, REALLOC, size)
#define HOOK_REALLOCARRAY(number, symbol)                                                          \
	HOOK_RESIZE(number, symbol, REALLOCARRAY, product(count, size))
#define HOOK_FREE(number, symbol)           HOOK_GIVE_BACK(number, symbol, FREE)
#define HOOK_DELETE(number, symbol)         HOOK_GIVE_BACK(number, symbol, DELETE)
#define HOOK_DELETE_SIZED(number, symbol)   HOOK_GIVE_BACK(number, symbol, DELETE_SIZED)
#define HOOK_DELETE_NOTHROW(number, symbol) HOOK_GIVE_BACK(number, symbol, DELETE_NOTHROW)
#define HOOK_DELETE_ALIGNED(number, symbol) HOOK_GIVE_BACK(number, symbol, DELETE_ALIGNED)
#define HOOK_DELETE_SIZED_ALIGNED(number, symbol)                                                  \
	HOOK_GIVE_BACK(number, symbol, DELETE_SIZED_ALIGNED)
#define HOOK_DELETE_ALIGNED_NOTHROW(number, symbol)                                                \
	HOOK_GIVE_BACK(number, symbol, DELETE_ALIGNED_NOTHROW)

#define HOOK_POSIX_MEMALIGN(number, symbol)                                                        \
	HOOK int symbol PARAMETERS_POSIX_MEMALIGN                                                  \
	{                                                                                          \
		struct callsite_call call = CALLER;                                                \
		struct pen *p = enter(&call);                                                      \
		int status = real.symbol ARGUMENTS_POSIX_MEMALIGN;                                 \
                                                                                                   \
		if (p) {                                                                           \
			record_birth(p, status ? NULL : *out,                                      \
				     (struct pen_birth){number, site_of(p, call), size, align});   \
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

/* Not recorded: addresses get another meaning when another module comes to lie there. */
HOOK int dlclose(void *handle)
{
	static int (*_Atomic next)(void *);
	int status;

	if (!next)
		next = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
	status = next ? next(handle) : -1;
	if (!status)
		guest_closed();
	return status;
}
