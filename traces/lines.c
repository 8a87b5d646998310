#include "lines.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES (1 << 18) /* also the longest line, less one byte */

static int fail(struct lines *l, int error, const char *reason)
{
	snprintf(l->error, sizeof(l->error), "%s: %s", l->path, reason);
	return error;
}

static int fail_archive(struct lines *l)
{
	int error = archive_errno(l->archive);

	/* libarchive's own numbers are above or below those of errno */
	return fail(l, error > 0 && error < 4096 ? -error : -EBADMSG,
		    archive_error_string(l->archive));
}

/* Goes to the next regular file of the archive; returns 1, 0 when there is none, or an error. */
static int next_file(struct lines *l)
{
	struct archive_entry *entry;
	int status;

	while ((status = archive_read_next_header(l->archive, &entry)) == ARCHIVE_OK)
		if (archive_entry_filetype(entry) == AE_IFREG)
			return 1;
	return status == ARCHIVE_EOF ? 0 : fail_archive(l);
}

int lines_open(struct lines *l, const char *path)
{
	int status;

	*l = (struct lines){.path = path};
	l->buffer = malloc(BUFFER_BYTES);
	l->archive = archive_read_new();
	if (!l->buffer || !l->archive)
		return fail(l, -ENOMEM, strerror(ENOMEM));
	archive_read_support_filter_all(l->archive);
	archive_read_support_format_zip(l->archive);
	archive_read_support_format_tar(l->archive);
	archive_read_support_format_raw(l->archive);
	archive_read_support_format_empty(l->archive);
	errno = 0;
	if (archive_read_open_filename(l->archive, path, 1 << 16) != ARCHIVE_OK)
		return errno ? fail(l, -errno, strerror(errno)) : fail_archive(l);
	status = next_file(l);
	if (status == 0)
		l->at_end = 1;
	return status < 0 ? status : 0;
}

void lines_close(struct lines *l)
{
	archive_read_free(l->archive);
	free(l->buffer);
}

/* Reads on; sets at_end. */
static int fill(struct lines *l)
{
	la_ssize_t bytes;
	int more;

	memmove(l->buffer, l->buffer + l->start, l->end - l->start);
	l->end -= l->start;
	l->start = 0;
	if (l->end == BUFFER_BYTES - 1) {
		l->number++;
		return fail(l, -EINVAL, "a line is longer than 256 KiB: this is no text");
	}
	bytes = archive_read_data(l->archive, l->buffer + l->end, BUFFER_BYTES - 1 - l->end);
	if (bytes < 0)
		return fail_archive(l);
	l->end += (size_t)bytes;
	if (bytes)
		return 0;
	l->at_end = 1;
	more = next_file(l);
	if (more > 0)
		return fail(l, -EINVAL, "the archive holds more than one file");
	return more;
}

int lines_next(struct lines *l, char **line)
{
	size_t searched = 0;
	char *newline;
	int error;

	for (;;) {
		newline =
			memchr(l->buffer + l->start + searched, '\n', l->end - l->start - searched);
		if (newline || l->at_end)
			break;
		searched = l->end - l->start;
		error = fill(l);
		if (error)
			return error;
	}
	if (!newline) {
		if (l->start == l->end)
			return 0;
		newline = l->buffer + l->end; /* the last line has no end of line */
	}
	*newline = 0;
	if (newline > l->buffer + l->start && newline[-1] == '\r')
		newline[-1] = 0;
	*line = l->buffer + l->start;
	l->start = (size_t)(newline - l->buffer) + (newline < l->buffer + l->end);
	l->number++;
	return 1;
}
