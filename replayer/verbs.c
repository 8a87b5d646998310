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
	if (kind == TRACE_CALLOC || kind == TRACE_REALLOCARRAY)
		return 1;
	return kind >= TRACE_NEW ? (uintptr_t)&nothrow : 0;
}
