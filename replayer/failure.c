/* Texts are formatted by vsnprintf, which allocates nothing for the formats used here. */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct run_outcome *outcome;
static atomic_flag failed = ATOMIC_FLAG_INIT;

void failure_init(struct run_outcome *to)
{
	outcome = to;
}

void failure(const char *format, ...)
{
	va_list args;

	while (atomic_flag_test_and_set(&failed))
		pause(); /* the first one ends us all */
	va_start(args, format);
	vsnprintf(outcome->failure, sizeof(outcome->failure), format, args);
	va_end(args);
	atomic_store(&outcome->state, RUN_REFUSED);
	_exit(1);
}

void failure_note(const char *format, ...)
{
	size_t used = strlen(outcome->notes);
	va_list args;

	va_start(args, format);
	vsnprintf(outcome->notes + used, sizeof(outcome->notes) - used, format, args);
	va_end(args);
}
