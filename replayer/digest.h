/*
 * The digest: one number for what a thread did, in its order. Both sides compute it: the planner
 * from the trace's rows, the runner from the calls as it makes them; a call left out, done twice,
 * out of order, with another size or on another object gives another number.
 */
#ifndef REPLAYER_DIGEST_H
#define REPLAYER_DIGEST_H

#include <stdint.h>

/* word: size, and 32 bits higher what is done. */
static inline uint64_t digest_word(uint64_t word, uint64_t identity)
{
	unsigned __int128 product =
		(unsigned __int128)(word ^ 0xa0761d6478bd642fu) * (identity ^ 0xe7037ed1a0b428dbu);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* What one call adds. what: site << 8 | verb; detail: alignment and flags, 0 for most calls. */
static inline uint64_t digest_term(uint32_t what, uint64_t size, uint64_t detail, uint64_t identity)
{
	return digest_word(size ^ (uint64_t)what << 32 ^ detail * 0x9e3779b97f4a7c15u, identity);
}

static inline uint64_t digest_next(uint64_t digest, uint64_t term)
{
	return digest * 0xd6e8feb86659fd93u + term;
}

/* An operand's part of the term: alignment or old size, and flags. */
static inline uint64_t digest_detail(uint64_t detail, uint32_t flags)
{
	return detail << 8 ^ (flags + 1);
}

/* A realloc is about two objects. */
static inline uint64_t digest_pair(uint64_t old_identity, uint64_t identity)
{
	return old_identity * 0x8ebc6af09c88c6e3u ^ identity;
}

/* Combines what several threads did, by their numbers. */
static inline uint64_t digest_join(uint64_t digest, uint32_t thread, uint64_t thread_digest)
{
	return digest_next(digest, digest_term(thread, thread_digest, 0, thread + 1));
}

#endif
