/*
 * Numbers of variable length: n bytes, lowest first, n - 1 one-bits and a zero-bit at the bottom,
 * the number above them. Nine bytes have 0xff and then the number in eight.
 */
#ifndef VARINT_H
#define VARINT_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are moved as whole words");

#define VARINT_MAX  9            /* bytes of the longest number */
#define VARINT_FAST (1ull << 56) /* below it a number is one word */

/* The word of a number below VARINT_FAST, of that length; 0 for no number at all. */
static inline uint64_t varint_word(uint64_t value, unsigned length)
{
	return value << length | ((1ull << length >> 1) - 1);
}

/* Writes a number; up to VARINT_MAX bytes at p are overwritten. Returns the place behind it. */
static inline uint8_t *varint_put(uint8_t *p, uint64_t value)
{
	unsigned length = (unsigned)(70 - __builtin_clzll(value | 1)) / 7;
	uint64_t word;

	if (__builtin_expect(value >= VARINT_FAST, 0)) {
		*p = 0xff;
		memcpy(p + 1, &value, sizeof(value));
		return p + VARINT_MAX;
	}
	word = varint_word(value, length);
	memcpy(p, &word, sizeof(word));
	return p + length;
}

/*
 * Writes a number below VARINT_FAST that is not 0, without a branch on its length, which is as hard
 * to foresee as the program itself.
 */
static inline uint8_t *varint_put_fast(uint8_t *p, uint64_t value)
{
	uint64_t twice = 2 * value + 1;
	unsigned bits = 63 ^ (unsigned)__builtin_clzll(twice); /* of value */
	uint64_t more = bits * 9 / 64; /* bytes behind the first: (bits - 1) / 7 */
	uint64_t word = (twice << more) - 1;

	memcpy(p, &word, sizeof(word));
	return p + more + 1;
}

/* The same of any number, and nothing for 0. */
static inline uint8_t *varint_put_positive(uint8_t *p, uint64_t value)
{
	uint8_t *end;

	if (__builtin_expect(value >= VARINT_FAST, 0))
		return varint_put(p, value);
	end = varint_put_fast(p, value);
	return value ? end : p;
}

/* A number below 2^49 written beforehand: the word, and on top its length; 0: nothing. */
static inline uint64_t varint_code(uint64_t value)
{
	uint8_t word[8] = {0};
	uint64_t length = (uint64_t)(varint_put_positive(word, value) - word), code;

	memcpy(&code, word, sizeof(code));
	return code | length << 56;
}

/* Writes such a number; 8 bytes at p are overwritten. Returns the place behind it. */
static inline uint8_t *varint_put_code(uint8_t *p, uint64_t code)
{
	memcpy(p, &code, sizeof(code));
	return p + (code >> 56);
}

/*
 * Reads a number; VARINT_MAX bytes at p must be readable memory, whatever they hold. Returns the
 * place behind it.
 */
static inline const uint8_t *varint_get(const uint8_t *p, uint64_t *value)
{
	unsigned length = (unsigned)__builtin_ctz(~(unsigned)*p) + 1;
	uint64_t word;

	if (__builtin_expect(length == VARINT_MAX, 0)) {
		memcpy(value, p + 1, sizeof(*value));
		return p + VARINT_MAX;
	}
	memcpy(&word, p, sizeof(word));
	*value = word << (64 - 8 * length) >> (64 - 7 * length);
	return p + length;
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
