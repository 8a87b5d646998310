#include "bytes.h"

#include <stdlib.h>

bool bytes_reserve(struct bytes *b, size_t size)
{
	size_t capacity = b->capacity ? b->capacity : 256;
	uint8_t *data;

	if (b->failed)
		return false;
	if (b->capacity - b->size >= size)
		return true;
	while (capacity - b->size < size)
		capacity *= 2;
	data = realloc(b->data, capacity);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->capacity = capacity;
	return true;
}

void bytes_add(struct bytes *b, const void *data, size_t size)
{
	if (!size || !bytes_reserve(b, size))
		return;
	memcpy(b->data + b->size, data, size);
	b->size += size;
}

void bytes_add_number(struct bytes *b, uint64_t number)
{
	if (!bytes_reserve(b, VARINT_MAX))
		return;
	b->size = (size_t)(varint_put(b->data + b->size, number) - b->data);
}

void bytes_add_text(struct bytes *b, const char *text)
{
	size_t length = strlen(text);

	bytes_add_number(b, length);
	bytes_add(b, text, length);
}

void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

uint64_t window_number_max(struct window *w, uint64_t max)
{
	uint64_t value = window_number(w);

	if (value <= max)
		return value;
	w->bad = true;
	return 0;
}

const uint8_t *window_bytes(struct window *w, uint64_t size)
{
	const uint8_t *bytes = w->at;

	if (size > window_left(w)) {
		w->bad = true;
		return NULL;
	}
	w->at += size;
	return w->bad ? NULL : bytes;
}

const char *window_text(struct window *w, size_t *length)
{
	uint64_t size = window_number(w);
	const uint8_t *bytes = window_bytes(w, size);

	*length = bytes ? size : 0;
	return bytes ? (const char *)bytes : "";
}
