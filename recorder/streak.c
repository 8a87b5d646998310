#include "streak.h"

#include "traces/encoder.h"

#include <string.h>

#define BATCH 32 /* records whose blocks are looked up at a time: their words come meanwhile */

/* Bytes of living blocks: how many there were at most, and how many fewer there are now. */
struct level {
	uint64_t peak, below;
};

/* A block is born at the place of that word. False: it does not fit; nor does one at address 0,
 * where never a block was: the call has failed. */
static inline bool enter(uint64_t *word, uint64_t number, uint64_t size, struct level *level)
{
	if (__builtin_expect(*word || size - 1 >= OBJECTS_SIZE_MAX, 0))
		return false;
	*word = objects_word(number, size);
	if (__builtin_sub_overflow(level->below, size, &level->below)) {
		level->peak -= level->below;
		level->below = 0;
	}
	return true;
}

/* The one that dies there. 0: there is none that fits. */
static inline uint64_t leave(uint64_t *word, struct level *level)
{
	uint64_t block = *word, size = objects_word_size(block);

	if (__builtin_expect(!size, 0))
		return 0;
	*word = 0;
	level->below += size;
	return block;
}

/* What few records have in their first word: an alignment, a kind that is no call's; an address at
 * an odd multiple of 8, at which objects_spread() takes a hold. */
#define UNUSUAL ((uint64_t)(0x10000 - TRACE_MARKS) << RECORD_ADDR_BITS | 8)

/* The word of its block. */
static inline uint64_t *word_of(const struct record *r, const struct objects *objects)
{
	return objects->words + objects_index(objects, record_addr(r));
}

/*
 * Looks up the words of the blocks of at most so many records from number i on and asks for them,
 * and for the records that come later. Returns of how many: a record with an alignment, or of
 * another kind than a call's, is none of them, nor is any behind.
 */
static inline uint64_t look_up(const struct streak *streak, uint64_t i, uint64_t most,
			       const struct objects *objects, uint64_t **words)
{
	const struct record *records = streak->records + i, *r = records, *end = records + most;
	const struct record *seen = streak->records + streak->seen;
	uint64_t count;

	for (; r < end; r++, words++) {
		if (__builtin_expect(r->word[0] & UNUSUAL, 0)) {
			if (r->part[3] >= TRACE_MARKS)
				break;
			*words = word_of(r, objects);
		} else {
			*words = objects->words +
				 objects_index_of(objects, r->part[2], r->part[1], r->part[0]);
		}
		__builtin_prefetch(*words, 1);
	}
	count = (uint64_t)(r - records);
	r += INLET_AHEAD;
	seen = seen < r ? seen : r;
	for (r = records + INLET_AHEAD; r < seen; r += 64 / sizeof(*r))
		__builtin_prefetch(r);
	return count;
}

/* What dealing with plain records needs, by one pointer. */
struct desk {
	const uint16_t (*plains)[ENCODER_KINDS]; /* the encoder's, with site or without */
	const uint64_t *sites;                   /* their codes */
	uint32_t site_count;
	struct level level;
	struct encoder_plain plain;
};

/* The code of a record's site. False: the trace does not know it. */
static inline bool site_of(const struct record *r, const struct desk *desk, uint64_t *code)
{
	uint32_t site = record_site(r); /* once: a program that scribbles may change it */

	if (__builtin_expect(site >= desk->site_count, 0))
		return false;
	*code = desk->sites[site];
	return __builtin_expect(!(*code & SITES_UNCODED), 1);
}

/* Whether its call obtains memory. */
static inline bool born(const struct record *r, const struct desk *desk)
{
	return desk->plains[ENCODER_ALONE][record_kind(r)] & ENCODER_BIRTH;
}

/* Deals with a record, whose block has that word. False: it is not plain. */
static inline bool take(const struct record *r, uint64_t *word, const struct desk *desk,
			struct encoder_plain *plain, struct level *level)
{
	unsigned operation = desk->plains[ENCODER_ALONE][record_kind(r)];
	uint64_t size, site, block;

	if (!site_of(r, desk, &site))
		return false;
	if (operation & ENCODER_DEATH) {
		block = leave(word, level);
		if (!block)
			return false;
		encoder_plain_death(plain, operation, site, objects_word_number(block));
		return true;
	}
	size = record_size(r);
	if (__builtin_expect(!operation, 0) || !enter(word, plain->objects, size, level))
		return false;
	encoder_plain_birth(plain, operation, site, size);
	return true;
}

/* Deals with so many records. Returns how many were plain. Apart, so that what changes with each is
 * held in registers. */
__attribute__((noinline)) static uint64_t
take_batch(const struct record *records, uint64_t *const *words, uint64_t count, struct desk *desk)
{
	const struct record *r = records, *end = records + count;
	struct encoder_plain plain = desk->plain;
	struct level level = desk->level;

	while (r < end && take(r, *words, desk, &plain, &level)) {
		r++;
		words++;
		plain.op++;
	}
	desk->plain = plain;
	desk->level = level;
	return (uint64_t)(r - records);
}

/* Looks a newborn block up again, if that was nowhere: in a node that is made now. */
static bool reach(const struct record *r, uint64_t **word, struct objects *objects)
{
	if (**word != OBJECTS_NOWHERE)
		return false;
	*word = objects->words + objects_reach(objects, record_addr(r));
	return **word != OBJECTS_NOWHERE;
}

/* Deals with a realloc, of two records. False: it is not plain. */
static bool take_resized(const struct record *r, struct objects *objects, struct desk *desk)
{
	uint64_t *from, *to, site, block;
	uint64_t size = record_size(r + 1); /* once: a program that scribbles may change it */
	unsigned operation;

	if (r->part[3] != RECORD_OLD || r[1].part[3] >= TRACE_MARKS || !site_of(r + 1, desk, &site))
		return false;
	from = word_of(r, objects);
	to = word_of(r + 1, objects);
	operation = desk->plains[from == to ? ENCODER_STAYS : ENCODER_MOVES][record_kind(r + 1)];
	if (!operation)
		return false;
	reach(r + 1, &to, objects);
	block = leave(from, &desk->level);
	if (!block)
		return false;
	if (!enter(to, desk->plain.objects, size, &desk->level)) {
		desk->level.below -= objects_word_size(block);
		*from = block;
		return false;
	}
	encoder_plain_resized(&desk->plain, operation, site, size, objects_word_number(block));
	desk->plain.op++;
	return true;
}

uint64_t streak_take(const struct streak *streak, struct ledger *l, const struct sites *sites)
{
	struct encoder *e = trace_writer_encoder(l->writer);
	uint64_t room = BLOCK_ROWS - e->rows;
	uint64_t count = streak->count < room ? streak->count : room;
	const struct objects objects = l->objects;
	struct desk desk = {
		.plains = e->plains[sites->count > 1],
		.sites = sites->codes,
		.site_count = (uint32_t)sites->count,
		.level = {.peak = l->counts.peak_live_bytes,
			  .below = l->counts.peak_live_bytes - l->counts.live_bytes},
		.plain = encoder_begin_plain(e),
	};
	const uint8_t *op = desk.plain.op;
	uint64_t i = 0, most, seen, taken;
	uint32_t rows;

	if (l->error || l->next_object >> (OBJECTS_NUMBER_BITS - 1))
		return 0;
	while (i < count) {
		const struct record *records = streak->records + i;
		uint64_t *words[BATCH];

		most = count - i < BATCH ? count - i : BATCH;
		seen = look_up(streak, i, most, &objects, words);
		taken = 0;
		do {
			taken += take_batch(records + taken, words + taken, seen - taken, &desk);
		} while (taken < seen && born(records + taken, &desk) &&
			 reach(records + taken, &words[taken], &l->objects));
		i += taken;
		if (taken == most)
			continue;
		if (count - i < 2 || !take_resized(records + taken, &l->objects, &desk))
			break;
		i += 2;
	}
	if (!i)
		return 0;
	rows = (uint32_t)(desk.plain.op - op);
	encoder_end_plain(e, &desk.plain, rows, streak->thread, ledger_time(l, streak->clock));
	l->counts.events += rows;
	l->counts.live_bytes = desk.level.peak - desk.level.below;
	l->counts.peak_live_bytes = desk.level.peak;
	l->next_object = desk.plain.objects;
	if (e->rows == BLOCK_ROWS)
		l->error = trace_writer_flush(l->writer);
	return i;
}
