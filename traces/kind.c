#include "kind.h"

enum shape_class {
	CLASS_ALLOC = TRACE_CLASS_ALLOC,
	CLASS_CALLOC = TRACE_CLASS_ALLOC,
	CLASS_REALLOC = TRACE_CLASS_REALLOC,
	CLASS_REALLOCARRAY = TRACE_CLASS_REALLOC,
	CLASS_MEMALIGN = TRACE_CLASS_ALLOC,
	CLASS_POSIX_MEMALIGN = TRACE_CLASS_ALLOC,
	CLASS_FREE = TRACE_CLASS_FREE,
	CLASS_NEW = TRACE_CLASS_ALLOC,
	CLASS_NEW_NOTHROW = TRACE_CLASS_ALLOC,
	CLASS_NEW_ALIGNED = TRACE_CLASS_ALLOC,
	CLASS_NEW_ALIGNED_NOTHROW = TRACE_CLASS_ALLOC,
	CLASS_DELETE = TRACE_CLASS_FREE,
	CLASS_DELETE_SIZED = TRACE_CLASS_FREE,
	CLASS_DELETE_NOTHROW = TRACE_CLASS_FREE,
	CLASS_DELETE_ALIGNED = TRACE_CLASS_FREE,
	CLASS_DELETE_SIZED_ALIGNED = TRACE_CLASS_FREE,
	CLASS_DELETE_ALIGNED_NOTHROW = TRACE_CLASS_FREE,
};

static const struct {
	const char *name;
	enum trace_class class;
} kinds[KIND_MAX + 1] = {
#define KIND(id, number, symbol, shape, text) [number] = {text, (enum trace_class)CLASS_##shape},
	TRACE_CALLS(KIND)
#undef KIND
		[TRACE_THREAD_START] = {"thread_start", TRACE_CLASS_MARK},
	[TRACE_THREAD_EXIT] = {"thread_exit", TRACE_CLASS_MARK},
	[TRACE_INHERITED] = {"inherited", TRACE_CLASS_MARK},
	[TRACE_LOST] = {"lost", TRACE_CLASS_MARK},
	[TRACE_MARK] = {"mark", TRACE_CLASS_MARK},
};

const char *trace_kind_name(unsigned kind)
{
	return kind <= KIND_MAX ? kinds[kind].name : NULL;
}

enum trace_class trace_class(unsigned kind)
{
	return trace_kind_name(kind) ? kinds[kind].class : TRACE_CLASS_MARK;
}

static const char *illegal_alloc(unsigned flags, unsigned fields)
{
	if (flags & (TRACE_MOVED | TRACE_FOREIGN))
		return "an allocation is neither moved nor foreign";
	if (fields & FIELD_OLD)
		return "an allocation has no old object";
	if (!(fields & FIELD_OBJECT) != !!(flags & TRACE_FAILED))
		return "an allocation has an object unless it failed";
	return NULL;
}

static const char *illegal_free(unsigned flags, unsigned fields)
{
	if (flags & (TRACE_MOVED | TRACE_FAILED))
		return "a free neither moves nor fails";
	if (fields & FIELD_OBJECT)
		return "a free makes no object";
	if (!(fields & FIELD_OLD) != !!(flags & TRACE_FOREIGN))
		return "a free has an old object unless it is foreign";
	return NULL;
}

static const char *illegal_realloc(unsigned flags, unsigned fields)
{
	bool block = fields & FIELD_OLD || flags & TRACE_FOREIGN; /* the pointer is not NULL */

	if (fields & FIELD_OLD && flags & TRACE_FOREIGN)
		return "a foreign realloc has no old object";
	if (flags & TRACE_FAILED)
		return fields & FIELD_OBJECT || flags & TRACE_MOVED
			       ? "a failed realloc neither makes an object nor moves one"
			       : NULL;
	if (!(fields & FIELD_OBJECT) && (!block || fields & FIELD_SIZE))
		return "a realloc makes an object unless it fails or frees by size 0";
	if (flags & TRACE_MOVED && !(block && fields & FIELD_OBJECT))
		return "a realloc moves only from a block to a block";
	return NULL;
}

static const char *illegal_mark(unsigned kind, unsigned flags, unsigned fields)
{
	unsigned may = 0;

	if (kind == TRACE_LOST || kind == TRACE_MARK)
		may = FIELD_SIZE;
	if (kind == TRACE_INHERITED)
		may = FIELD_OBJECT | FIELD_SIZE | FIELD_ALIGN | FIELD_SITE | FIELD_ADDR;
	if (fields & ~may)
		return "a mark has a field that its kind does not use";
	if (kind == TRACE_INHERITED && !(fields & FIELD_OBJECT))
		return "an inherited object has no number";
	return flags & ~TRACE_REPAIRED ? "a mark has the flag of a call" : NULL;
}

const char *kind_illegal(unsigned kind, unsigned flags, unsigned fields)
{
	if (!trace_kind_name(kind))
		return "the kind is unknown";
	if (flags & ~(unsigned)KIND_FLAGS_ALL)
		return "a flag is unknown";
	if (fields & ~(unsigned)FIELDS_ALL)
		return "a field is unknown";
	switch (trace_class(kind)) {
	case TRACE_CLASS_ALLOC:
		return illegal_alloc(flags, fields);
	case TRACE_CLASS_FREE:
		return illegal_free(flags, fields);
	case TRACE_CLASS_REALLOC:
		return illegal_realloc(flags, fields);
	case TRACE_CLASS_MARK:
		break;
	}
	return illegal_mark(kind, flags, fields);
}
