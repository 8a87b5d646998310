/*
 * The functions that the hooks stand before: what the program would have called without us. Each
 * is looked up when first called, at the latest; a call made by the look-up itself is served by
 * bootstrap.
 */
#ifndef RECORDER_REAL_H
#define RECORDER_REAL_H

#include "shapes.h"
#include "traces/calls.h"

#include <stdbool.h>
#include <stdint.h>

struct real {
#define REAL_FIELD(id, number, symbol, shape, name) RESULT_##shape(*symbol) PARAMETERS_##shape;
	TRACE_CALLS(REAL_FIELD)
#undef REAL_FIELD
};

extern struct real real __attribute__((visibility("hidden")));

/* The function of a name that comes behind this library's; NULL: nobody has it. Not from a hook. */
void *real_next(const char *symbol);

/* Looks the C++ functions up where the program has them: later that would take from it what
 * dlerror() is to tell it of a failure. Not from a hook. */
void real_prepare(void);

/* The function free() is the C library's, which calls none of the others. After real_prepare(). */
bool real_free_is_leaf(void);

/* True when an address lies in this library. */
bool real_is_own(uintptr_t addr);

/* True when a return address lies in the code of real functions or of this library: the caller is
 * a part of a call that is being recorded already. Or of a look-up. */
bool real_calls_from(uintptr_t addr);

#endif
