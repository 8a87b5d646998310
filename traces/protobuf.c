#include "protobuf.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static void add_varint(struct bytes *b, uint64_t number)
{
	uint8_t digits[10];
	size_t n = 0;

	for (; number >= 128; number >>= 7)
		digits[n++] = (uint8_t)(number | 128);
	digits[n++] = (uint8_t)number;
	bytes_add(b, digits, n);
}

static void add_bytes(struct bytes *b, unsigned field, const void *data, size_t size)
{
	add_varint(b, field << 3 | WIRE_BYTES);
	add_varint(b, size);
	if (size)
		bytes_add(b, data, size);
}

void protobuf_number(struct bytes *message, unsigned field, uint64_t number)
{
	add_varint(message, field << 3 | WIRE_VARINT);
	add_varint(message, number);
}

void protobuf_text(struct bytes *message, unsigned field, const char *text)
{
	add_bytes(message, field, text, strlen(text));
}

void protobuf_message(struct bytes *message, unsigned field, struct bytes *inner)
{
	message->failed |= inner->failed;
	add_bytes(message, field, inner->data, inner->size);
	inner->size = 0;
}

void protobuf_numbers(struct bytes *message, unsigned field, const uint64_t *numbers, size_t n)
{
	struct bytes packed = {0};

	for (size_t i = 0; i < n; i++)
		add_varint(&packed, numbers[i]);
	protobuf_message(message, field, &packed);
	bytes_free(&packed);
}
