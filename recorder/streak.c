#include "streak.h"

#include "traces/encoder.h"

#define BATCH 16 /* records whose blocks are looked up at a time: their words come meanwhile */

/* Bytes of living blocks: how many there were at most, and how many fewer there are now. */
struct level {
	uint64_t peak, below;
};

/* site: its code. False: not plain. */
static inline bool birth(unsigned operation, uint64_t size, uint64_t *word, uint64_t site,
			 struct encoder_plain *plain, struct level *level)
{
	if (__builtin_expect(*word || size - 1 >= OBJECTS_WIDE - 1, 0))
		return false;
	*word = objects_word(plain->objects, size);
	if (__builtin_sub_overflow(level->below, size, &level->below)) {
		level->peak -= level->below;
		level->below = 0;
	}
	encoder_plain_birth(plain, operation, site, size);
	return true;
}

static inline bool death(unsigned operation, uint64_t *word, uint64_t site,
			 struct encoder_plain *plain, struct level *level)
{
	uint64_t block = *word;

	if (__builtin_expect(!block || objects_word_size(block) == OBJECTS_WIDE, 0))
		return false;
	*word = 0;
	level->below += objects_word_size(block);
	encoder_plain_death(plain, operation, site, objects_word_number(block));
	return true;
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

	for (; r < end && r->word[0] >> RECORD_ADDR_BITS < TRACE_MARKS; r++, words++) {
		*words = objects->words + objects_index(objects, record_addr(r));
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
	const uint16_t *plains; /* the encoder's, with site or without */
	const uint64_t *sites;  /* their codes */
	uint64_t least;         /* code of a site that is one */
	uint32_t site_count;
};

/* Deals with a record, whose block has that word. False: it is not plain. */
static inline bool take(const struct record *r, uint64_t *word, const struct given *given,
			struct encoder_plain *plain, struct level *level)
{
	/* Of a program that scribbles, the record may be another by now. */
	unsigned operation = given->plains[(r->word[0] >> RECORD_ADDR_BITS) % TRACE_MARKS];
	uint64_t site;

	if (__builtin_expect(record_site(r) >= given->site_count, 0))
		return false;
	site = given->sites[record_site(r)];
	if (__builtin_expect(site < given->least || !operation, 0))
		return false;
	if (operation & ENCODER_DEATH)
		return death(operation, word, site, plain, level);
	/* Address 0: the call has failed. */
	return record_addr(r) && birth(operation, record_size(r), word, site, plain, level);
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
	uint64_t i = 0, most, seen, taken;

	if (l->error || l->next_object >> (OBJECTS_NUMBER_BITS - 1))
		return 0;
	do {
		uint64_t *words[BATCH];

		most = count - i < BATCH ? count - i : BATCH;
		seen = look_up(streak, i, most, &objects, words);
		taken = take_batch(streak->records + i, words, seen, &given, &plain, &level);
		i += taken;
	} while (taken == most && i < count);
	if (!i)
		return 0;
	encoder_end_plain(e, &plain, (uint32_t)i, streak->thread, ledger_time(l, streak->clock));
	l->counts.events += i;
	l->counts.live_bytes = level.peak - level.below;
	l->counts.peak_live_bytes = level.peak;
	l->next_object = plain.objects;
	if (e->rows == BLOCK_ROWS)
		l->error = trace_writer_flush(l->writer);
	return i;
}
