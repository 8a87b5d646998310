#include "entrances.h"

#include "ring.h"
#include "traces/trace.h"

#include <errno.h>
#include <string.h>

/* What is asked of a function by its kind. */
struct callee {
	const char *symbol;
	uint8_t kind;
	uint8_t shape;     /* enum ring_shape */
	uint8_t arguments; /* that matter */
	bool throws;       /* reports failure by an exception */
};

enum {
	ARGUMENTS_ALLOC = 1,
	ARGUMENTS_CALLOC = 2,
	ARGUMENTS_REALLOC = 2,
	ARGUMENTS_REALLOCARRAY = 3,
	ARGUMENTS_MEMALIGN = 2,
	ARGUMENTS_POSIX_MEMALIGN = 3,
	ARGUMENTS_FREE = 1,
	ARGUMENTS_NEW = 1,
	ARGUMENTS_NEW_NOTHROW = 1,
	ARGUMENTS_NEW_ALIGNED = 2,
	ARGUMENTS_NEW_ALIGNED_NOTHROW = 2,
	ARGUMENTS_DELETE = 1,
	ARGUMENTS_DELETE_SIZED = 1,
	ARGUMENTS_DELETE_NOTHROW = 1,
	ARGUMENTS_DELETE_ALIGNED = 1,
	ARGUMENTS_DELETE_SIZED_ALIGNED = 1,
	ARGUMENTS_DELETE_ALIGNED_NOTHROW = 1,
};

/* Told apart here only: do these shapes throw? */
enum {
	THROWS_ALLOC,
	THROWS_CALLOC = 0,
	THROWS_REALLOC = 0,
	THROWS_REALLOCARRAY = 0,
	THROWS_MEMALIGN = 0,
	THROWS_POSIX_MEMALIGN = 0,
	THROWS_FREE = 0,
	THROWS_NEW = 1,
	THROWS_NEW_NOTHROW = 0,
	THROWS_NEW_ALIGNED = 1,
	THROWS_NEW_ALIGNED_NOTHROW = 0,
	THROWS_DELETE = 0,
	THROWS_DELETE_SIZED = 0,
	THROWS_DELETE_NOTHROW = 0,
	THROWS_DELETE_ALIGNED = 0,
	THROWS_DELETE_SIZED_ALIGNED = 0,
	THROWS_DELETE_ALIGNED_NOTHROW = 0,
};

static const struct callee callees[] = {
#define CALLEE(id, number, symbol, shape, name)                                                    \
	{#symbol, number, SHAPE_##shape, ARGUMENTS_##shape, THROWS_##shape},
	TRACE_CALLS(CALLEE)
#undef CALLEE
		{"__cxa_allocate_exception", ENTRANCE_RAISE, SHAPE_RAISE, 0, false},
	{"_Unwind_RaiseException", ENTRANCE_RAISE, SHAPE_RAISE, 0, false},
	{"__cxa_begin_catch", ENTRANCE_CATCH, SHAPE_CATCH, 0, false},
	/* What jemalloc has besides, as what the standard calls for the same. */
	{"mallocx", TRACE_MALLOC, SHAPE_MALLOCX, 2, false},
	{"rallocx", TRACE_REALLOC, SHAPE_REALLOC, 2, false},
	{"xallocx", TRACE_REALLOC, SHAPE_XALLOCX, 3, false},
	{"dallocx", TRACE_FREE, SHAPE_FREE, 1, false},
	{"sdallocx", TRACE_FREE, SHAPE_FREE, 1, false},
};

#define CALLEES (sizeof(callees) / sizeof(callees[0]))

/* Where glibc empties the cache of a thread that ends. */
#define THREAD_END "__malloc_arena_thread_freeres"

static const struct callee *callee_named(const char *symbol)
{
	/* Spares most names of a C++ program the search. */
	if (symbol[0] == '_' && symbol[1] == 'Z' && symbol[2] != 'n' && symbol[2] != 'd')
		return NULL;
	for (size_t i = 0; i < CALLEES; i++)
		if (strcmp(callees[i].symbol, symbol) == 0)
			return &callees[i];
	return NULL;
}

/* Does its result matter? */
static bool allocates(const struct callee *c)
{
	return c->shape < SHAPE_FREE;
}

struct search {
	const struct symbols *file;
	struct entrances *target;
	struct spot_finder *finder;
};

static int add_function(void *context, const struct symbols_function *found)
{
	const struct callee *callee = callee_named(found->name);
	struct search *search = context;
	struct entrances *t = search->target;
	struct entrance *f = t->all;

	if (strcmp(found->name, THREAD_END) == 0) {
		t->thread_end = found->addr;
		t->thread_end_bytes = found->size;
	}
	/* These may be local where they were linked into a program. */
	if (!callee || (found->local && callee->kind < ENTRANCE_CATCH))
		return 0;
	while (f < t->all + t->count && f->addr != found->addr)
		f++;
	if (f == t->all + t->count) {
		if (t->count == ENTRANCES_MAX)
			return -E2BIG;
		*f = (struct entrance){.addr = found->addr, .kind = callee->kind, .callee = callee};
		t->count++;
	}
	if (found->size > f->size)
		f->size = found->size;
	f->kinds |= UINT64_C(1) << callee->kind;
	if (callee->kind < f->kind) {
		f->kind = callee->kind;
		f->callee = callee;
	}
	return 0;
}

/* Symbol that a branch goes to: through the linkage table, or an allocator function of this file.
 */
static const char *branch_symbol(const struct search *search, uint64_t addr)
{
	const char *symbol = symbols_stub_symbol(search->file, addr);

	for (size_t i = 0; !symbol && i < search->target->count; i++)
		if (search->target->all[i].addr == addr)
			symbol = search->target->all[i].callee->symbol;
	return symbol;
}

/* What the body of an operator new shows. */
struct body {
	const struct search *search;
	bool forwards;    /* nothing but a jump to an allocation function */
	bool passes;      /* calls operator new, whatever happens */
	bool allocates;   /* calls an allocation function somewhere */
	bool has_handler; /* asks for the new handler, as the standard library's operators do */
};

static int read_branch(void *context, const struct spot_branch *branch)
{
	struct body *body = context;
	const char *symbol = branch_symbol(body->search, branch->target);
	const struct callee *callee = symbol ? callee_named(symbol) : NULL;

	if (callee && allocates(callee)) {
		body->allocates = true;
		if (branch->straight && !branch->call)
			body->forwards = true;
		if (branch->straight && branch->call && callee->throws)
			body->passes = true;
	}
	if (symbol && strcmp(symbol, "_ZSt15get_new_handlerv") == 0)
		body->has_handler = true;
	return 0;
}

/*
 * Is this operator new the standard library's, which gets its block from another allocation
 * function? Then that one's result is its result. A thrown exception cannot pass a frame whose
 * return is caught, so this spares every program whose operators are not its own.
 */
static bool is_wrapper(const struct search *search, const struct callee *callee,
		       const unsigned char *code, const struct entrance *f)
{
	struct body body = {.search = search};

	if (callee->kind < TRACE_NEW || !allocates(callee) || !f->size)
		return false;
	spot_branches(search->finder, code, f->size, f->addr, read_branch, &body);
	return body.forwards || (body.passes && !callee->throws) ||
	       (body.allocates && body.has_handler);
}

static uint64_t cookie_of(const struct entrance *f, const struct callee *callee, bool library,
			  bool wrapper)
{
	uint64_t bytes = f->size < 0xfffff ? f->size : 0xfffff;

	return f->kind | (uint64_t)f->spot.argument[0] << 10 | (uint64_t)f->spot.argument[1] << 14 |
	       (uint64_t)f->spot.argument[2] << 18 | (uint64_t)(f->spot.stack / 8) << 22 |
	       (uint64_t)f->spot.offset << 29 | bytes << 39 | (uint64_t)callee->shape << 59 |
	       (library ? COOKIE_LIBRARY : 0) | (wrapper ? COOKIE_WRAPPER : 0);
}

static int place_probe(const struct search *search, struct entrance *f)
{
	const struct callee *callee = f->callee;
	size_t bytes;
	const unsigned char *code = symbols_code(search->file, f->addr, &bytes);
	bool wrapper;
	int error;

	if (!code)
		return -ENOEXEC;
	if (f->size > bytes)
		f->size = bytes;
	wrapper = is_wrapper(search, callee, code, f);
	f->returns = allocates(callee) && !wrapper;
	/* A symbol without a size (assembler): look at its beginning. */
	if (f->size)
		bytes = f->size;
	else if (bytes > 64)
		bytes = 64;
	error = spot_find(search->finder, &f->spot, code, bytes, callee->arguments, f->returns);
	if (error)
		return error;
	f->offset = symbols_offset(search->file, f->addr + f->spot.offset);
	f->cookie = cookie_of(f, callee, search->file->library, wrapper);
	search->target->slow += !f->spot.emulated;
	search->target->functions += callee->kind < ENTRANCE_CATCH;
	return 0;
}

int entrances_find(struct entrances *t, const struct symbols *file)
{
	struct search search = {.file = file, .target = t, .finder = spot_finder_create()};
	int error;

	*t = (struct entrances){0};
	if (!search.finder)
		return -ENOMEM;
	error = symbols_functions(file, add_function, &search);
	for (size_t i = 0; !error && i < t->count; i++)
		if (place_probe(&search, &t->all[i]))
			t->all[i--] = t->all[--t->count];
	spot_finder_destroy(search.finder);
	return error;
}

static bool is_entrance(const struct entrances *t, uint64_t addr)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->all[i].addr == addr)
			return true;
	return false;
}

unsigned entrances_called(const struct entrances *t, const struct symbols *f, uint64_t addr)
{
	const struct callee *callee;
	const unsigned char *code;
	const char *symbol = NULL;
	int32_t displacement;
	uint64_t target;
	size_t bytes;

	code = symbols_code(f, addr - 6, &bytes);
	if (!code || bytes < 6)
		return 0;
	memcpy(&displacement, code + 2, sizeof(displacement));
	target = addr + (uint64_t)(int64_t)displacement;
	if (code[0] == 0xff && code[1] == 0x15) /* call *displacement(%rip) */
		symbol = symbols_slot_symbol(f, target);
	else if (code[1] == 0xe8) { /* call displacement */
		if (is_entrance(t, target) && addr - t->thread_end < t->thread_end_bytes)
			return ENTRANCES_INTERNAL;
		symbol = symbols_stub_symbol(f, target);
	}
	callee = symbol ? callee_named(symbol) : NULL;
	return callee ? callee->kind : 0;
}
