#include "command.h"

#include <err.h>
#include <string.h>

struct trace *command_open(const char *path)
{
	struct trace *trace;
	int error = trace_open(&trace, path);

	if (!error)
		return trace;
	warnx("%s", trace ? trace_error(trace) : strerror(-error));
	trace_close(trace);
	return NULL;
}
