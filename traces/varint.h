/* Variable-length numbers: seven bits a byte, lowest first, bit 7 set on all but the last byte. */
#ifndef VARINT_H
#define VARINT_H

#include <stdint.h>
#include <string.h>

#define VARINT_MAX 10 /* bytes of the longest number */

/* Writes at most VARINT_MAX bytes at p; returns the place behind them. */
static inline uint8_t *varint_put(uint8_t *p, uint64_t value)
{
	while (value >= 0x80) {
		*p++ = (uint8_t)value | 0x80;
		value >>= 7;
	}
	*p++ = (uint8_t)value;
	return p;
}

/*
 * Reads a number; at least VARINT_MAX bytes at p must be readable memory, whatever they hold.
 * Returns the place behind it, NULL when it has more than 64 bits.
 */
static inline const uint8_t *varint_get(const uint8_t *p, uint64_t *value)
{
	uint64_t sum = p[0] & 0x7f;
	unsigned i = 0;

	while (p[i] & 0x80) {
		i++;
		if (i == VARINT_MAX || (i == VARINT_MAX - 1 && p[i] > 1))
			return NULL;
		sum |= (uint64_t)(p[i] & 0x7f) << (7 * i);
	}
	*value = sum;
	return p + i + 1;
}

/* Differences as small numbers: 0, -1, 1, -2, ... become 0, 1, 2, 3, ... */
static inline uint64_t zigzag(uint64_t difference)
{
	return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}

static inline uint64_t unzigzag(uint64_t number)
{
	return number >> 1 ^ -(number & 1);
}

#endif
