/*
 * The logs of other tools that haktrace can import: one file and one row of import.c's table each.
 * An importer knows how to read one line; reading the file, giving out objects and repairing the
 * order is done for it.
 */
#ifndef TRACE_IMPORTER_H
#define TRACE_IMPORTER_H

#include "resolver.h"

struct importer {
	const char *name;
	const char *summary;
	/*
	 * Reads one line (which it may change) into *call, whose line is set and whose other fields
	 * are 0. Returns 1, 0 when the line holds no call, or -EINVAL with *reason set.
	 */
	int (*line)(char *line, struct logged_call *call, const char **reason);
};

int android_line(char *line, struct logged_call *call, const char **reason);

#endif
