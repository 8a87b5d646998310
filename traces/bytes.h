/*
 * Bytes: a growing buffer to write numbers and texts into, and a window to read them from that
 * never passes its end.
 */
#ifndef BYTES_H
#define BYTES_H

#include "varint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: empty. After a failed growth, `failed` stays set and nothing more is added. */
struct bytes {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool failed;
};

/* Room for size more bytes at data + size; false when out of memory. */
bool bytes_reserve(struct bytes *b, size_t size);
void bytes_add(struct bytes *b, const void *data, size_t size);
void bytes_add_number(struct bytes *b, uint64_t number);
void bytes_add_text(struct bytes *b, const char *text); /* length, then the bytes without NUL */
void bytes_free(struct bytes *b);

/*
 * A window on memory with VARINT_MAX readable bytes behind its end. A read past the end sets `bad`
 * and gives 0 from then on.
 */
struct window {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static inline uint64_t window_number(struct window *w)
{
	const uint8_t *next;
	uint64_t value;

	if (!w->bad && w->at < w->end) {
		next = varint_get(w->at, &value);
		if (next <= w->end) {
			w->at = next;
			return value;
		}
	}
	w->bad = true;
	return 0;
}

/* A number that must not be above max. */
uint64_t window_number_max(struct window *w, uint64_t max);
/* The next size bytes; NULL when there are fewer. */
const uint8_t *window_bytes(struct window *w, uint64_t size);
/* A text as bytes_add_text() wrote it: not ended by NUL. */
const char *window_text(struct window *w, size_t *length);

static inline size_t window_left(const struct window *w)
{
	return w->bad ? 0 : (size_t)(w->end - w->at);
}

#endif
