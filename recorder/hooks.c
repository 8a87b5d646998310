/*
 * The interposed functions. Each has the real one do the work and writes one record: of memory
 * obtained after the real call, of memory given back before it, so that a block's records are
 * published in the order in which its owners had it. A realloc is both, in two records. Whatever
 * the real function calls on its way to memory is part of the same call and not recorded.
 */
#include "callsite.h"
#include "guest.h"
#include "imports.h"
#include "real.h"
#include "residency.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define COLD     __attribute__((noinline, cold))

/* As the hook's caller has it: a register that no code here uses. */
register uintptr_t frame_pointer __asm__("rbp");

INLINE void begin(struct pen *p, const uintptr_t *frame)
{
	p->frame = frame;
	atomic_signal_fence(memory_order_seq_cst);
}

/* NULL: the call is passed on unrecorded. */
INLINE struct pen *enter(void)
{
	struct pen *p = guest_pen;

	if (__builtin_expect(!pen_ready(p), 0)) {
		p = guest_enter(PEN_FRAME);
		if (!p)
			return NULL;
	}
	begin(p, PEN_FRAME);
	return p;
}

INLINE void leave(struct pen *p)
{
	atomic_signal_fence(memory_order_seq_cst);
	p->frame = PEN_READY;
}

/* ---- memory obtained ---- */

/* Whatever it takes: anything may have come up. The pen is ready when another call had it
 * meanwhile: the real function, or a new handler, has switched stacks. Of which site this one is
 * then is lost. */
COLD static void *birth_slowly(struct pen *p, void *ptr, unsigned kind, size_t size, size_t align)
{
	struct pen_birth birth = {kind, p->site, size, align};
	int saved = errno;

	if (member.off) {
		leave(p);
		return ptr;
	}
	if (p->missed) {
		guest_missed(1);
		errno = saved;
		return ptr;
	}
	if (!birth.site)
		birth.site = pen_ready(p) ? 0 : callsite_find(&p->view, p->frame, frame_pointer);
	p->site = 0;
	if (ptr && size >= TRACE_LARGE_BYTES)
		pen_write_pages(p, ptr, residency_born(ptr, size));
	pen_write_birth(p, ptr, &birth);
	errno = saved;
	leave(p);
	return ptr;
}

/* All that fits into one record; a large block takes more than a record. */
INLINE bool birth_put(struct pen *p, uint64_t written, void *ptr, unsigned kind, size_t size,
		      size_t align, int64_t site)
{
	if (__builtin_expect(size >= TRACE_LARGE_BYTES, 0) ||
	    __builtin_expect(align & (align - 1), 0))
		return false;
	pen_put(p, written, kind, (uintptr_t)ptr | record_align_bits(align), (uint64_t)site, size);
	return true;
}

NOINLINE static void *birth_among_threads(struct pen *p, void *ptr, unsigned kind, size_t size,
					  size_t align, int64_t site)
{
	uint64_t written;

	if (pen_ready(p) || !pen_pass(p, (uintptr_t)ptr, &written) ||
	    !birth_put(p, written, ptr, kind, size, align, site))
		return birth_slowly(p, ptr, kind, size, align);
	leave(p);
	return ptr;
}

/* The site of a hook's caller; negative: callsite_find() is to be asked. */
INLINE int64_t site_known(const struct pen *p, const uintptr_t *frame)
{
	return callsite_known(&p->view, frame[-1], (uintptr_t)frame);
}

/* The same where every register counts: at is the frame, and what else is looked at is read again
 * when need be. Where stacks were switched meanwhile the pen may be ready by now, of no frame: then
 * the site may be lost. */
INLINE int64_t site_known_lean(const struct pen *p, const uintptr_t *frame, const uintptr_t *at)
{
	uint64_t number = callsite_first(&p->view, frame[-1], (uintptr_t)at);

	if (__builtin_expect(number <= CALLSITE_MAX, 1))
		return (int64_t)number;
	atomic_signal_fence(memory_order_seq_cst);
	return callsite_elsewhere(&p->view, frame[-1], (uintptr_t)p->frame);
}

/* Records what a real function returned, leaves the hook and returns it as well. */
INLINE void *record_birth(struct pen *p, void *ptr, unsigned kind, size_t size, size_t align,
			  int64_t site)
{
	uint64_t written;

	if (__builtin_expect(site < 0, 0))
		return birth_slowly(p, ptr, kind, size, align);
	if (__builtin_expect(!pen_alone(p, &written), 0))
		return birth_among_threads(p, ptr, kind, size, align, site);
	if (!birth_put(p, written, ptr, kind, size, align, site))
		return birth_slowly(p, ptr, kind, size, align);
	leave(p);
	return ptr;
}

/* What to record should the real function throw. */
INLINE void expect_throw(struct pen *p, unsigned kind, size_t size, size_t align)
{
	int64_t site = site_known(p, p->frame);

	if (__builtin_expect(site < 0, 0))
		site = p->site = callsite_find(&p->view, p->frame, frame_pointer);
	p->throwing = (struct pen_birth){kind, (uint32_t)site, size, align};
}

/* ---- memory given back ---- */

/* All that fits into one record, of a known site. The hook's frame twice: as an expression, and in
 * a register. */
INLINE bool death_try(struct pen *p, void *ptr, unsigned kind, const uintptr_t *frame,
		      const uintptr_t *at)
{
	int64_t site = site_known_lean(p, frame, at);
	uint64_t written;

	if (__builtin_expect(site < 0, 0) || (__builtin_expect(!pen_alone(p, &written), 0) &&
					      !pen_pass(p, (uintptr_t)ptr, &written)))
		return false;
	pen_put(p, written, kind, (uintptr_t)ptr, (uint64_t)site, 0);
	return true;
}

/* A large block may be given back. Returns its size, 0: it is none. */
COLD static size_t tell_pages(struct pen *p, void *ptr)
{
	size_t size;

	pen_write_pages(p, ptr, residency_died(ptr, &size));
	return size;
}

COLD static void death_slowly(struct pen *p, void *ptr, unsigned kind)
{
	int saved = errno;
	uint32_t site;

	if (member.off)
		return;
	if (p->missed) {
		guest_missed(1);
	} else {
		site = pen_ready(p) ? 0 : callsite_find(&p->view, p->frame, frame_pointer);
		pen_write(p, (uintptr_t)ptr, record_head(kind, (uintptr_t)ptr),
			  record_rest(site, 0));
	}
	errno = saved;
}

INLINE void record_death(struct pen *p, void *ptr, unsigned kind)
{
	if (__builtin_expect(residency_maybe(ptr), 0))
		tell_pages(p, ptr);
	if (pen_ready(p) || !death_try(p, ptr, kind, p->frame, p->frame))
		death_slowly(p, ptr, kind);
}

/* The first half of a realloc. Returns the size of a large block that it may give back, else 0. */
INLINE size_t record_old(struct pen *p, void *ptr)
{
	size_t large = 0;
	uint64_t written;

	if (__builtin_expect(residency_maybe(ptr), 0))
		large = tell_pages(p, ptr);
	if (__builtin_expect(pen_alone(p, &written) || pen_pass(p, (uintptr_t)ptr, &written), 1))
		pen_put(p, written, RECORD_OLD, (uintptr_t)ptr, 0, 0);
	else if (!member.off)
		pen_write_old(p, ptr);
	return large;
}

/* The second half. */
INLINE void *record_resized(struct pen *p, void *ptr, size_t large, void *result, unsigned kind,
			    size_t size, int64_t site)
{
	if (__builtin_expect(large && !result && size, 0))
		residency_stays(ptr, large);
	return record_birth(p, result, kind, size, 0, site);
}

INLINE size_t product(size_t count, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes;
}

/* ---- one body a shape ---- */

#define HOOK __attribute__((visibility("default")))

#define SPREAD(...) __VA_ARGS__
#define OPEN(list)  SPREAD list

/* A hook whose work symbol_by() does. A pen that is not ready is looked for apart, and size and
 * frame wait in the pen: so malloc has nothing else to keep over the call of the real function. */
#define HOOK_BY(symbol, shape)                                                                     \
	NOINLINE static void *symbol##_first(OPEN(PARAMETERS_##shape), const uintptr_t *frame)     \
	{                                                                                          \
		struct pen *p = guest_enter(frame);                                                \
                                                                                                   \
		if (!p)                                                                            \
			return real.symbol ARGUMENTS_##shape;                                      \
		begin(p, frame);                                                                   \
		return symbol##_by(OPEN(ARGUMENTS_##shape), p, frame);                             \
	}                                                                                          \
                                                                                                   \
	HOOK void *symbol PARAMETERS_##shape                                                       \
	{                                                                                          \
		struct pen *p = guest_pen;                                                         \
                                                                                                   \
		if (__builtin_expect(!pen_ready(p), 0))                                            \
			return symbol##_first(OPEN(ARGUMENTS_##shape), PEN_FRAME);                 \
		begin(p, PEN_FRAME);                                                               \
		return symbol##_by(OPEN(ARGUMENTS_##shape), p, PEN_FRAME);                         \
	}

#define HOOK_OBTAIN(number, symbol, shape, bytes, align)                                           \
	INLINE void *symbol##_by(OPEN(PARAMETERS_##shape), struct pen *p, const uintptr_t *frame)  \
	{                                                                                          \
		void *result;                                                                      \
                                                                                                   \
		p->size = bytes;                                                                   \
		result = real.symbol ARGUMENTS_##shape;                                            \
		return record_birth(p, result, number, p->size, align,                             \
				    site_known_lean(p, frame, p->frame));                          \
	}                                                                                          \
	HOOK_BY(symbol, shape)

/* One that may call the program: a new handler, by whose other calls the pen may be used meanwhile.
 */
#define HOOK_OBTAIN_HANDLED(number, symbol, shape, align)                                          \
	HOOK void *symbol PARAMETERS_##shape                                                       \
	{                                                                                          \
		struct pen *p = enter();                                                           \
		void *result = real.symbol ARGUMENTS_##shape;                                      \
                                                                                                   \
		return p ? record_birth(p, result, number, size, align, site_known(p, PEN_FRAME))  \
			 : result;                                                                 \
	}

/* One that never returns NULL: it throws. One that is passed on leaves no frame of ours behind. */
#define HOOK_THROW(number, symbol, shape, align)                                                   \
	HOOK void *symbol PARAMETERS_##shape                                                       \
	{                                                                                          \
		struct pen *p = enter();                                                           \
		void *result;                                                                      \
                                                                                                   \
		if (!p)                                                                            \
			return real.symbol ARGUMENTS_##shape;                                      \
		expect_throw(p, number, size, align);                                              \
		result = real.symbol ARGUMENTS_##shape;                                            \
		p->throwing.kind = 0;                                                              \
		if (p->site) /* only birth_slowly() takes it */                                    \
			return birth_slowly(p, result, number, size, align);                       \
		return record_birth(p, result, number, size, align, site_known(p, PEN_FRAME));     \
	}

/* What the fast path cannot do is done apart, so that it has little to keep over calls. */
NOINLINE static void give_back(void *ptr, struct pen *p, unsigned kind, void (*real_free)(void *))
{
	if (ptr)
		record_death(p, ptr, kind);
	real_free(ptr);
	leave(p);
}

NOINLINE static void give_back_first(void *ptr, unsigned kind, void (*real_free)(void *),
				     const uintptr_t *frame)
{
	struct pen *p = ptr ? guest_enter(frame) : NULL;

	if (!p)
		return real_free(ptr);
	begin(p, frame);
	give_back(ptr, p, kind, real_free);
}

/* The last steps are the real function's and leaving. */
#define HOOK_GIVE_BACK(number, symbol, ...)                                                        \
	HOOK void symbol(void *ptr)                                                                \
	{                                                                                          \
		struct pen *p = guest_pen;                                                         \
		const uintptr_t *frame;                                                            \
                                                                                                   \
		if (__builtin_expect(!pen_ready(p), 0))                                            \
			return give_back_first(ptr, number, real.symbol, PEN_FRAME);               \
		/* Into a register once, instead of being worked out wherever it is used. */       \
		__asm__("" : "=r"(frame) : "0"(PEN_FRAME));                                        \
		begin(p, frame);                                                                   \
		if (__builtin_expect(residency_maybe(ptr), 0) ||                                   \
		    !death_try(p, ptr, number, PEN_FRAME, frame))                                  \
			return give_back(ptr, p, number, real.symbol);                             \
		__VA_ARGS__;                                                                       \
	}

/* The last step of free(): a real one may call others of these functions on its way, which are part
 * of the same call, */
static void free_within(void *ptr, struct pen *p)
{
	real.free(ptr);
	leave(p);
}

/* ... or it calls none, and nothing is left to do behind it. */
static void free_behind(void *ptr, struct pen *p)
{
	leave(p);
	real.free(ptr);
}

static void (*free_last)(void *ptr, struct pen *p) = free_within;

#define HOOK_GIVE_BACK_TOLD(number, symbol, shape)                                                 \
	HOOK void symbol PARAMETERS_##shape                                                        \
	{                                                                                          \
		struct pen *p = ptr ? enter() : NULL;                                              \
                                                                                                   \
		if (p)                                                                             \
			record_death(p, ptr, number);                                              \
		real.symbol ARGUMENTS_##shape;                                                     \
		if (p)                                                                             \
			leave(p);                                                                  \
	}

#define HOOK_RESIZE(number, symbol, shape, bytes)                                                  \
	INLINE void *symbol##_by(OPEN(PARAMETERS_##shape), struct pen *p, const uintptr_t *frame)  \
	{                                                                                          \
		size_t large;                                                                      \
		void *result;                                                                      \
                                                                                                   \
		p->size = bytes;                                                                   \
		large = ptr ? record_old(p, ptr) : 0;                                              \
		result = real.symbol ARGUMENTS_##shape;                                            \
		return record_resized(p, ptr, large, result, number, p->size,                      \
				      site_known_lean(p, frame, p->frame));                        \
	}                                                                                          \
	HOOK_BY(symbol, shape)

#define HOOK_ALLOC(number, symbol)       HOOK_OBTAIN(number, symbol, ALLOC, size, 0)
#define HOOK_CALLOC(number, symbol)      HOOK_OBTAIN(number, symbol, CALLOC, product(count, size), 0)
#define HOOK_MEMALIGN(number, symbol)    HOOK_OBTAIN(number, symbol, MEMALIGN, size, align)
#define HOOK_NEW(number, symbol)         HOOK_THROW(number, symbol, NEW, 0)
#define HOOK_NEW_NOTHROW(number, symbol) HOOK_OBTAIN_HANDLED(number, symbol, NEW_NOTHROW, 0)
#define HOOK_NEW_ALIGNED(number, symbol) HOOK_THROW(number, symbol, NEW_ALIGNED, align)
#define HOOK_NEW_ALIGNED_NOTHROW(number, symbol)                                                   \
	HOOK_OBTAIN_HANDLED(number, symbol, NEW_ALIGNED_NOTHROW, align)
#define HOOK_REALLOC(number, symbol) HOOK_RESIZE(number, symbol, REALLOC, size)
#define HOOK_REALLOCARRAY(number, symbol)                                                          \
	HOOK_RESIZE(number, symbol, REALLOCARRAY, product(count, size))
#define HOOK_FREE(number, symbol)           HOOK_GIVE_BACK(number, symbol, free_last(ptr, p))
#define HOOK_DELETE(number, symbol)         HOOK_GIVE_BACK(number, symbol, real.symbol(ptr), leave(p))
#define HOOK_DELETE_SIZED(number, symbol)   HOOK_GIVE_BACK_TOLD(number, symbol, DELETE_SIZED)
#define HOOK_DELETE_NOTHROW(number, symbol) HOOK_GIVE_BACK_TOLD(number, symbol, DELETE_NOTHROW)
#define HOOK_DELETE_ALIGNED(number, symbol) HOOK_GIVE_BACK_TOLD(number, symbol, DELETE_ALIGNED)
#define HOOK_DELETE_SIZED_ALIGNED(number, symbol)                                                  \
	HOOK_GIVE_BACK_TOLD(number, symbol, DELETE_SIZED_ALIGNED)
#define HOOK_DELETE_ALIGNED_NOTHROW(number, symbol)                                                \
	HOOK_GIVE_BACK_TOLD(number, symbol, DELETE_ALIGNED_NOTHROW)

#define HOOK_POSIX_MEMALIGN(number, symbol)                                                        \
	HOOK int symbol PARAMETERS_POSIX_MEMALIGN                                                  \
	{                                                                                          \
		struct pen *p = enter();                                                           \
		int status = real.symbol ARGUMENTS_POSIX_MEMALIGN;                                 \
                                                                                                   \
		if (p)                                                                             \
			record_birth(p, status ? NULL : *out, number, size, align,                 \
				     site_known(p, PEN_FRAME));                                    \
		return status;                                                                     \
	}

#define DECLARE(id, number, symbol, shape, name) RESULT_##shape symbol PARAMETERS_##shape;
#define DEFINE(id, number, symbol, shape, name)  HOOK_##shape(number, symbol)

/* stdlib.h declares the C functions that it knows; these are the others and the C++ ones. */
TRACE_CALLS_CXX(DECLARE)
void *memalign PARAMETERS_MEMALIGN;
void *pvalloc PARAMETERS_ALLOC;

TRACE_CALLS(DEFINE)

/*
 * ---- the functions that jemalloc has besides ----
 *
 * Recorded as what the standard calls for the same. A program looks whether there are such names:
 * so they are not interposed but found by their imports, where an allocator has them.
 */

#define LG_ALIGN(flags) ((flags)&63)
#define ZERO            64

static struct {
	void *(*mallocx)(size_t size, int flags);
	void *(*rallocx)(void *ptr, size_t size, int flags);
	size_t (*xallocx)(void *ptr, size_t size, size_t extra, int flags);
	void (*dallocx)(void *ptr, int flags);
	void (*sdallocx)(void *ptr, size_t size, int flags);
} extended;

static void *hook_mallocx(size_t size, int flags)
{
	struct pen *p = enter();
	void *result = extended.mallocx(size, flags);
	size_t align = LG_ALIGN(flags) ? (size_t)1 << LG_ALIGN(flags) : 0;
	unsigned kind = align ? TRACE_MEMALIGN : flags & ZERO ? TRACE_CALLOC : TRACE_MALLOC;

	return p ? record_birth(p, result, kind, size, align, site_known(p, PEN_FRAME)) : result;
}

static void *hook_rallocx(void *ptr, size_t size, int flags)
{
	struct pen *p = enter();
	size_t large = p ? record_old(p, ptr) : 0;
	void *result = extended.rallocx(ptr, size, flags);

	return p ? record_resized(p, ptr, large, result, TRACE_REALLOC, size,
				  site_known(p, PEN_FRAME))
		 : result;
}

/* Resizes in place, which the caller alone can see: or leaves all as it was. */
static size_t hook_xallocx(void *ptr, size_t size, size_t extra, int flags)
{
	struct pen *p = enter();
	size_t result = extended.xallocx(ptr, size, extra, flags);

	if (p && result >= size) {
		record_old(p, ptr);
		record_birth(p, ptr, TRACE_REALLOC, result - size < extra ? result : size + extra,
			     0, site_known(p, PEN_FRAME));
	} else if (p) {
		leave(p);
	}
	return result;
}

static void hook_dallocx(void *ptr, int flags)
{
	struct pen *p = enter();

	if (p)
		record_death(p, ptr, TRACE_FREE);
	extended.dallocx(ptr, flags);
	if (p)
		leave(p);
}

static void hook_sdallocx(void *ptr, size_t size, int flags)
{
	struct pen *p = enter();

	if (p)
		record_death(p, ptr, TRACE_FREE);
	extended.sdallocx(ptr, size, flags);
	if (p)
		leave(p);
}

#define EXTEND(symbol)                                                                             \
	extended.symbol = (__typeof__(extended.symbol))real_next(#symbol);                         \
	if (extended.symbol)                                                                       \
	imports_replace(#symbol, (const void *)hook_##symbol)

static void prepare(void)
{
	real_prepare();
	if (real_free_is_leaf())
		free_last = free_behind;
	EXTEND(mallocx);
	if (!extended.mallocx)
		return;
	EXTEND(rallocx);
	EXTEND(xallocx);
	EXTEND(dallocx);
	EXTEND(sdallocx);
}

__attribute__((constructor)) static void prepare_early(void)
{
	guest_aside(prepare);
}
