/*
 * The lines of a text file, which may be compressed (gzip, xz, zstd, ...) or the one file inside a
 * zip or tar archive.
 */
#ifndef TRACE_LINES_H
#define TRACE_LINES_H

#include <stddef.h>
#include <stdint.h>

struct lines {
	const char *path;
	uint64_t number; /* of the last line, from 1 */
	char error[512];

	struct archive *archive;
	char *buffer;
	size_t start, end; /* what is read and not yet taken */
	int at_end;
};

/* path is kept. Returns 0 or a negative errno with l->error set; close it in any case. */
int lines_open(struct lines *l, const char *path);
void lines_close(struct lines *l);

/*
 * The next line, its end of line replaced by 0; valid until the next call. Returns 1, 0 at the end
 * or a negative errno with l->error set.
 */
int lines_next(struct lines *l, char **line);

#endif
