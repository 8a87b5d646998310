#include "verbs.h"

struct verb verbs[PLAN_VERB + 1];
size_t (*verbs_usable_size)(void *ptr);

const char *const verbs_symbols[PLAN_VERB + 1] = {
#define SYMBOL(id, number, symbol, shape, name) [TRACE_##id] = #symbol,
	TRACE_CALLS(SYMBOL)
#undef SYMBOL
};

const char *const verbs_names[PLAN_VERB + 1] = {
#define NAME(id, number, symbol, shape, name) [TRACE_##id] = name,
	TRACE_CALLS(NAME)
#undef NAME
};

static const char nothrow; /* stands for std::nothrow, whose address is never followed */

uintptr_t verbs_extra(unsigned kind)
{
	switch (kind) {
	case TRACE_CALLOC:
		return 1;
	case TRACE_NEW_NOTHROW:
	case TRACE_NEW_ARRAY_NOTHROW:
		return (uintptr_t)&nothrow;
	default:
		return 0;
	}
}
