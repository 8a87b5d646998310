#include "pattern.h"

#include <string.h>

/* Word number i: never 0, and as good as never equal for two objects. */
static uint64_t word(uint64_t identity, size_t i)
{
	uint64_t seed = identity * 0x9e3779b97f4a7c15u;

	return ((seed ^ seed >> 32) + i * 0xd1b54a32d192ed03u) | 1;
}

void pattern_fill(void *ptr, size_t size, uint64_t identity)
{
	unsigned char *at = ptr;
	uint64_t value;
	size_t i;

	for (i = 0; i < size / 8; i++) {
		value = word(identity, i);
		memcpy(at + 8 * i, &value, 8);
	}
	value = word(identity, i);
	memcpy(at + 8 * i, &value, size % 8);
}

size_t pattern_differs(const void *ptr, size_t size, uint64_t identity)
{
	const unsigned char *at = ptr;

	for (size_t i = 0; 8 * i < size; i++) {
		uint64_t value = word(identity, i);
		size_t bytes = size - 8 * i < 8 ? size - 8 * i : 8;

		if (!memcmp(at + 8 * i, &value, bytes))
			continue;
		for (size_t b = 0; b < bytes; b++)
			if (at[8 * i + b] != (unsigned char)(value >> 8 * b))
				return 8 * i + b;
	}
	return size;
}

size_t pattern_nonzero(const void *ptr, size_t size)
{
	const unsigned char *at = ptr;
	size_t i = 0;
	uint64_t value;

	for (; i + 8 <= size; i += 8) {
		memcpy(&value, at + i, 8);
		if (value)
			break;
	}
	while (i < size && !at[i])
		i++;
	return i;
}
