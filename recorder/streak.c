#include "streak.h"

#include "traces/encoder.h"

#include <string.h>

#define BATCH 24 /* records whose blocks are looked up at a time: their words come meanwhile */

/* Bytes of living blocks: how many there were at most, and how many fewer there are now. */
struct level {
	uint64_t peak, below;
};

/* A block is born at the place of that word. False: it does not fit; nor does one at address 0,
 * where never a block was: the call has failed. */
static inline bool enter(uint64_t *word, uint64_t number, uint64_t size, struct level *level)
{
	if (__builtin_expect(*word || size - 1 >= OBJECTS_WIDE - 1, 0))
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
	uint64_t block = *word;

	if (__builtin_expect(!block || objects_word_size(block) == OBJECTS_WIDE, 0))
		return 0;
	*word = 0;
	level->below += objects_word_size(block);
	return block;
}

/* The word of its block. */
static inline uint64_t *word_of(const struct record *r, const struct objects *objects)
{
	size_t high = r->part[2], low = r->part[0];

	if (__builtin_expect(low & 8, 0))
		high = objects_spread(record_addr(r)) >> 32;
	return objects->words + objects_index_of(objects, high, r->part[1], low);
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
	uint64_t count, far;

	for (; r < end && r->part[3] < TRACE_MARKS; r++, words++) {
		*words = word_of(r, objects);
		__builtin_prefetch(*words, 1);
	}
	count = (uint64_t)(r - records);
	far = streak->seen - i < INLET_AHEAD + count ? streak->seen - i : INLET_AHEAD + count;
	for (uint64_t j = INLET_AHEAD; j < far; j += 64 / sizeof(*records))
		__builtin_prefetch(records + j);
	return count;
}

/* What dealing with plain records needs to know. */
struct given {
	const uint16_t (*plains)[TRACE_MARKS]; /* the encoder's, with site or without */
	const uint64_t *sites;                 /* their codes */
	uint64_t least;                        /* code of a site that is one */
	uint32_t site_count;
};

/* The code of a record's site. False: the trace does not know it. */
static inline bool site_of(const struct record *r, const struct given *given, uint64_t *code)
{
	if (__builtin_expect(record_site(r) >= given->site_count, 0))
		return false;
	*code = given->sites[record_site(r)];
	return __builtin_expect(*code >= given->least, 1);
}

/* Of a program that scribbles, it may be another by now than when it was looked at. */
static inline unsigned call_of(const struct record *r)
{
	return r->part[3] % TRACE_MARKS;
}

/* Whether its call obtains memory. */
static inline bool born(const struct record *r, const struct given *given)
{
	return given->plains[ENCODER_ALONE][call_of(r)] & ENCODER_BIRTH;
}

/* Deals with a record, whose block has that word. False: it is not plain. */
static inline bool take(const struct record *r, uint64_t *word, const struct given *given,
			struct encoder_plain *plain, struct level *level)
{
	unsigned operation = given->plains[ENCODER_ALONE][call_of(r)];
	uint64_t size = record_size(r), site, block;

	if (!site_of(r, given, &site) || __builtin_expect(!operation, 0))
		return false;
	if (operation & ENCODER_DEATH) {
		block = leave(word, level);
		if (!block)
			return false;
		encoder_plain_death(plain, operation, site, objects_word_number(block));
		return true;
	}
	if (!enter(word, plain->objects, size, level))
		return false;
	encoder_plain_birth(plain, operation, site, size);
	return true;
}

/* Deals with so many records. Returns how many were plain. Apart, so that what changes with each is
 * held in registers. */
__attribute__((noinline)) static uint64_t
take_batch(const struct record *records, uint64_t *const *words, uint64_t count,
	   const struct given *given, struct encoder_plain *plain, struct level *level)
{
	const struct record *r = records, *end = records + count;
	struct encoder_plain p = *plain;
	struct level l = *level;

	while (r < end && take(r, *words, given, &p, &l)) {
		r++;
		words++;
		p.op++;
	}
	*plain = p;
	*level = l;
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
static bool take_resized(const struct record *r, struct objects *objects, const struct given *given,
			 struct encoder_plain *plain, struct level *level)
{
	uint64_t *from, *to, site, block;
	uint64_t size = record_size(r + 1); /* once: a program that scribbles may change it */
	unsigned operation;

	if (r->part[3] != RECORD_OLD || r[1].part[3] >= TRACE_MARKS ||
	    !site_of(r + 1, given, &site))
		return false;
	from = word_of(r, objects);
	to = word_of(r + 1, objects);
	operation = given->plains[from == to ? ENCODER_STAYS : ENCODER_MOVES][call_of(r + 1)];
	if (!operation)
		return false;
	reach(r + 1, &to, objects);
	block = leave(from, level);
	if (!block)
		return false;
	if (!enter(to, plain->objects, size, level)) {
		level->below -= objects_word_size(block);
		*from = block;
		return false;
	}
	encoder_plain_resized(plain, operation, site, size, objects_word_number(block));
	plain->op++;
	return true;
}

uint64_t streak_take(const struct streak *streak, struct ledger *l, const struct sites *sites)
{
	struct encoder *e = trace_writer_encoder(l->writer);
	uint64_t room = BLOCK_ROWS - e->rows;
	uint64_t count = streak->count < room ? streak->count : room;
	const struct objects objects = l->objects;
	bool sited = sites->count > 1;
	const struct given given = {e->plains[sited], sites->codes, sited, (uint32_t)sites->count};
	struct level level = {l->counts.peak_live_bytes,
			      l->counts.peak_live_bytes - l->counts.live_bytes};
	struct encoder_plain plain = encoder_begin_plain(e);
	const uint8_t *op = plain.op;
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
			taken += take_batch(records + taken, words + taken, seen - taken, &given,
					    &plain, &level);
		} while (taken < seen && born(records + taken, &given) &&
			 reach(records + taken, &words[taken], &l->objects));
		i += taken;
		if (taken == most)
			continue;
		if (count - i < 2 ||
		    !take_resized(records + taken, &l->objects, &given, &plain, &level))
			break;
		i += 2;
	}
	if (!i)
		return 0;
	rows = (uint32_t)(plain.op - op);
	encoder_end_plain(e, &plain, rows, streak->thread, ledger_time(l, streak->clock));
	l->counts.events += rows;
	l->counts.live_bytes = level.peak - level.below;
	l->counts.peak_live_bytes = level.peak;
	l->next_object = plain.objects;
	if (e->rows == BLOCK_ROWS)
		l->error = trace_writer_flush(l->writer);
	return i;
}
