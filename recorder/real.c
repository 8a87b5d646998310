#include "real.h"

#include "bootstrap.h"
#include "extent.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* A look-up is in progress in this thread. */
static __thread bool looking __attribute__((tls_model("initial-exec")));

/*
 * Code of real functions, and of this library. Those of an allocator's library are one range, from
 * the first to the last: they share helpers. Those of the C and C++ libraries, which have much
 * other code in between, are a range each.
 */
struct code {
	uintptr_t first, end;
	const void *module; /* NULL: of no other function's */
};

#define CODES 48
static struct code codes[CODES];
static _Atomic unsigned code_last; /* hit last */
static struct code own;

static bool code_has(const struct code *code, uintptr_t addr)
{
	return addr - code->first < code->end - code->first;
}

bool real_is_own(uintptr_t addr)
{
	return code_has(&own, addr);
}

bool real_calls_from(uintptr_t addr)
{
	if (looking ||
	    code_has(codes + atomic_load_explicit(&code_last, memory_order_relaxed), addr))
		return true;
	for (unsigned i = 0; i < CODES && codes[i].end; i++)
		if (code_has(codes + i, addr)) {
			atomic_store_explicit(&code_last, i, memory_order_relaxed);
			return true;
		}
	return false;
}

static void code_add(const void *module, uintptr_t first, uintptr_t end)
{
	for (unsigned i = 0; i < CODES; i++) {
		struct code *code = codes + i;

		if (code->end && (!module || code->module != module))
			continue;
		if (!code->end || first < code->first)
			code->first = first;
		if (end > code->end)
			code->end = end;
		code->module = module;
		return;
	}
}

static void code_note(const void *function)
{
	const void *module = extent_module(function);
	struct extent extent;

	if (!extent_of_function(function, &extent))
		return;
	if (module != extent_module((const void *)real.malloc) ||
	    module == extent_module((const void *)getpid))
		module = NULL;
	/* A return address may follow a function's last byte. */
	code_add(module, extent.first, extent.end + 1);
}

static void *next(const char *symbol)
{
	void *found = dlsym(RTLD_NEXT, symbol);

	if (!found) {
		/* What went wrong is told once and then freed: here, not by the program. */
		dlerror();
		dlerror();
	}
	return found;
}

/* The symbol in any module that is loaded but not in the global scope: a plug-in brought the C++
 * library along. */
static void *find_anywhere(const char *symbol)
{
	void *self = dlopen(NULL, RTLD_LAZY | RTLD_NOLOAD);
	struct link_map *map = NULL;
	void *found = NULL;

	if (!self || dlinfo(self, RTLD_DI_LINKMAP, &map) != 0)
		return NULL;
	for (; map && !found; map = map->l_next) {
		void *module = *map->l_name ? dlopen(map->l_name, RTLD_LAZY | RTLD_NOLOAD) : NULL;

		if (!module)
			continue;
		found = dlsym(module, symbol);
		if (found && extent_module(found) == extent_module(&real))
			found = NULL;
		dlclose(module);
	}
	dlclose(self);
	return found;
}

static void *find(const char *symbol)
{
	void *found = next(symbol);

	return found ? found : find_anywhere(symbol);
}

/* Sets one field of real. False when nobody has the function. */
static bool look_up(void **field, const char *symbol)
{
	int saved = errno;
	void *found = NULL;

	if (!looking) {
		looking = true;
		found = find(symbol);
		if (found) {
			*field = found;
			code_note(found);
		}
		looking = false;
	}
	errno = saved;
	return found != NULL;
}

/* ---- what serves a call made by the look-up, or one of a function that nobody has ---- */

static void *spare_ALLOC PARAMETERS_ALLOC
{
	return bootstrap_alloc(size, 0);
}

static void *spare_CALLOC PARAMETERS_CALLOC
{
	return size && count > SIZE_MAX / size ? NULL : bootstrap_alloc(count * size, 0);
}

static void *spare_REALLOC PARAMETERS_REALLOC
{
	void *copy = bootstrap_alloc(size, 0);

	if (copy && ptr) {
		size_t old = bootstrap_owns(ptr) ? bootstrap_size(ptr) : 0;

		memcpy(copy, ptr, old < size ? old : size);
	}
	return copy;
}

static void *spare_REALLOCARRAY PARAMETERS_REALLOCARRAY
{
	return size && count > SIZE_MAX / size ? NULL : spare_REALLOC(ptr, count * size);
}

static void *spare_MEMALIGN PARAMETERS_MEMALIGN
{
	return bootstrap_alloc(size, align);
}

static int spare_POSIX_MEMALIGN PARAMETERS_POSIX_MEMALIGN
{
	*out = bootstrap_alloc(size, align);
	return *out ? 0 : ENOMEM;
}

static void spare_FREE PARAMETERS_FREE
{
	(void)ptr;
}

#define SPARE_NEW(shape, align)                                                                    \
	static void *spare_##shape PARAMETERS_##shape                                              \
	{                                                                                          \
		return real.memalign(align, size);                                                 \
	}
#define SPARE_DELETE(shape)                                                                        \
	static void spare_##shape PARAMETERS_##shape                                               \
	{                                                                                          \
		real.free(ptr);                                                                    \
	}

/* clang-format off */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
SPARE_NEW(NEW, 16)
SPARE_NEW(NEW_NOTHROW, 16)
SPARE_NEW(NEW_ALIGNED, align)
SPARE_NEW(NEW_ALIGNED_NOTHROW, align)
SPARE_DELETE(DELETE)
SPARE_DELETE(DELETE_SIZED)
SPARE_DELETE(DELETE_NOTHROW)
SPARE_DELETE(DELETE_ALIGNED)
SPARE_DELETE(DELETE_SIZED_ALIGNED)
SPARE_DELETE(DELETE_ALIGNED_NOTHROW)
#pragma GCC diagnostic pop
/* clang-format on */

/* ---- once bootstrap has given memory, what comes back may be its own ---- */

static struct real beyond; /* the functions that these stand before */

static void filter_free(void *ptr)
{
	if (!bootstrap_owns(ptr))
		beyond.free(ptr);
}

static void *filter_realloc(void *ptr, size_t size)
{
	void *moved;

	if (!bootstrap_owns(ptr))
		return beyond.realloc(ptr, size);
	moved = real.malloc(size);
	if (moved) {
		size_t old = bootstrap_size(ptr);

		memcpy(moved, ptr, old < size ? old : size);
	}
	return moved;
}

static void *filter_reallocarray(void *ptr, size_t count, size_t size)
{
	if (!bootstrap_owns(ptr))
		return beyond.reallocarray(ptr, count, size);
	if (size && count > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return filter_realloc(ptr, count * size);
}

/* All C functions at once, so that bootstrap is in use for the shortest time. False when a look-up
 * is in progress. */
static bool look_up_c(void)
{
	int saved = errno;
	struct extent self;

	if (looking)
		return false;
	looking = true;
	if (extent_of_module(&real, &self)) {
		own = (struct code){self.first, self.end, NULL};
		code_add(NULL, self.first, self.end);
	}
#define FIND(id, number, symbol, shape, name)                                                      \
	{                                                                                          \
		void *found = find(#symbol);                                                       \
                                                                                                   \
		real.symbol = found ? found : spare_##shape;                                       \
	}
	TRACE_CALLS_C(FIND)
#undef FIND
#define NOTE(id, number, symbol, shape, name) code_note((const void *)real.symbol);
	TRACE_CALLS_C(NOTE)
#undef NOTE
	if (bootstrap_used()) {
		beyond = real;
		real.free = filter_free;
		real.realloc = filter_realloc;
		real.reallocarray = filter_reallocarray;
	}
	looking = false;
	errno = saved;
	return true;
}

bool real_free_is_leaf(void)
{
	const void *module = extent_module((const void *)(beyond.free ? beyond.free : real.free));

	return module && module == extent_module((const void *)getpid);
}

/* ---- the first call of each function ---- */

#define FIRST_C(id, number, symbol, shape, name)                                                   \
	static RESULT_##shape first_##symbol PARAMETERS_##shape                                    \
	{                                                                                          \
		if (look_up_c())                                                                   \
			return real.symbol ARGUMENTS_##shape;                                      \
		return spare_##shape ARGUMENTS_##shape;                                            \
	}
TRACE_CALLS_C(FIRST_C)
#undef FIRST_C

#define FIRST_CXX(id, number, symbol, shape, name)                                                 \
	static RESULT_##shape first_##symbol PARAMETERS_##shape                                    \
	{                                                                                          \
		if (look_up((void **)&real.symbol, #symbol))                                       \
			return real.symbol ARGUMENTS_##shape;                                      \
		return spare_##shape ARGUMENTS_##shape;                                            \
	}
TRACE_CALLS_CXX(FIRST_CXX)
#undef FIRST_CXX

struct real real = {
#define FIRST(id, number, symbol, shape, name) .symbol = first_##symbol,
	TRACE_CALLS(FIRST)
#undef FIRST
};

void *real_next(const char *symbol)
{
	int saved = errno;
	void *found;

	/* A look-up may allocate: let it do so from the real functions. */
	if (real.malloc == first_malloc)
		look_up_c();
	looking = true;
	found = next(symbol);
	looking = false;
	errno = saved;
	return found;
}

void real_prepare(void)
{
	int saved = errno;
	void *found;

	if (!real_next("_Znwm"))
		return;
	looking = true;
#define FIND(id, number, symbol, shape, name)                                                      \
	found = real.symbol == first_##symbol ? next(#symbol) : NULL;                              \
	if (found) {                                                                               \
		real.symbol = (RESULT_##shape(*) PARAMETERS_##shape)found;                         \
		code_note(found);                                                                  \
	}
	TRACE_CALLS_CXX(FIND)
#undef FIND
	looking = false;
	errno = saved;
}
