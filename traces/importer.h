/*
 * The logs of other tools that haktrace can import: one file and one row of the table each. An
 * importer knows how to read one line; reading the file, giving out objects and sites and
 * repairing the order is done for it.
 */
#ifndef TRACE_IMPORTER_H
#define TRACE_IMPORTER_H

#include "resolver.h"

#define IMPORTER_NOTE_BYTES 256

/* A call as a log tells it. */
struct log_entry {
	struct logged_call call; /* all but the site */
	uint64_t caller;         /* return address, less the file's base_addr; 0: unknown */
	const char *caller_file; /* in the line; NULL: in no known file */
};

struct importer {
	const char *name;
	const char *summary;
	size_t memory_bytes; /* of what it remembers from line to line; zeroed before the first */
	/*
	 * Reads one line (which it may change) into *entry, whose line is set and whose other
	 * fields are 0. Returns 1, 0 when the line holds no call, or -EINVAL with *reason set.
	 */
	int (*line)(void *memory, char *line, struct log_entry *entry, const char **reason);
	/*
	 * After the last line: returns 0, or -EINVAL when the log cannot end here. A note that is
	 * not left empty is told either way. NULL: nothing to say.
	 */
	int (*end)(const void *memory, char note[IMPORTER_NOTE_BYTES]);
};

extern const struct importer importer_android;
extern const struct importer importer_logalloc;
extern const struct importer importer_malloclab;
extern const struct importer importer_mtrace;

#endif
