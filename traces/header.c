#include "header.h"

#include "frame.h"

#include <errno.h>

#define OLDEST_READER                                                                              \
	1 /* the oldest format version whose readers can read what is written here                 \
	   */

void header_write(struct bytes *content)
{
	uint8_t header[HEADER_BYTES] = FRAME_MAGIC;

	frame_put_u32(header + 8, TRACE_FORMAT_VERSION);
	frame_put_u32(header + 12, OLDEST_READER);
	frame_put_u32(header + 16, HEADER_FEATURES);
	bytes_add(content, header, sizeof(header));
}

int header_read(const uint8_t *content, size_t size, uint32_t *version, uint32_t *oldest)
{
	if (size < HEADER_BYTES || memcmp(content, FRAME_MAGIC, FRAME_MAGIC_BYTES))
		return -EBADMSG;
	*version = frame_u32(content + 8);
	*oldest = frame_u32(content + 12);
	if (*oldest > TRACE_FORMAT_VERSION || frame_u32(content + 16) & ~HEADER_FEATURES ||
	    frame_u32(content + 20))
		return -EPROTONOSUPPORT;
	return 0;
}

void header_write_last(struct bytes *content, const struct header_counts *counts,
		       const struct trace_totals *totals)
{
	uint8_t kind = FRAME_LAST;

	bytes_add(content, &kind, 1);
	bytes_add_number(content, counts->rows);
	bytes_add_number(content, counts->objects);
	bytes_add_number(content, totals->lost_events);
	bytes_add_number(content, totals->late_events);
	bytes_add_number(content, totals->repaired_events);
	bytes_add_number(content, totals->duration_ns);
}

bool header_read_last(struct window *w, struct header_counts *counts, struct trace_totals *totals)
{
	const uint8_t *kind = window_bytes(w, 1);

	counts->rows = window_number(w);
	counts->objects = window_number(w);
	totals->lost_events = window_number(w);
	totals->late_events = window_number(w);
	totals->repaired_events = window_number(w);
	totals->duration_ns = window_number(w);
	return kind && *kind == FRAME_LAST && !w->bad;
}
