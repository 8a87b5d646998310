#include "streak.h"

#include "traces/encoder.h"

#define BATCH 32 /* records whose blocks are looked up at a time: their words come meanwhile */

/* By a record's upper 16 bits, when there is no alignment in them. */
enum plain { OTHER, BIRTH, DEATH };

static uint8_t plains[TRACE_MARKS];

__attribute__((constructor)) static void learn_plains(void)
{
	for (unsigned kind = 0; kind < TRACE_MARKS; kind++)
		if (trace_kind_name(kind))
			plains[kind] = trace_class(kind) == TRACE_CLASS_ALLOC  ? BIRTH
				       : trace_class(kind) == TRACE_CLASS_FREE ? DEATH
									       : OTHER;
}

/* What the loop changes of the ledger. */
struct sums {
	uint64_t live_bytes, peak_live_bytes;
};

/* The number plus one of an operation that the block knows, 0 of another. */
static inline unsigned operation(const uint16_t *numbers, uint64_t kind, uint64_t site,
				 unsigned fields)
{
	return numbers[encoder_key((unsigned)kind, 0, fields | (unsigned)(site != 0) * FIELD_SITE)];
}

/* site: its code. False: not plain. */
static inline bool birth(uint64_t kind, uint64_t size, uint64_t *word, uint64_t site,
			 const uint16_t *numbers, struct encoder_plain *plain, struct sums *sums)
{
	unsigned number = operation(numbers, kind, site, FIELD_OBJECT | FIELD_SIZE);

	if (__builtin_expect(*word || size - 1 >= OBJECTS_WIDE - 1 || !number, 0))
		return false;
	*word = objects_word(plain->objects, size);
	sums->live_bytes += size;
	if (sums->live_bytes > sums->peak_live_bytes)
		sums->peak_live_bytes = sums->live_bytes;
	encoder_plain_birth(plain, number, site, size);
	return true;
}

static inline bool death(uint64_t kind, uint64_t size, uint64_t *word, uint64_t site,
			 const uint16_t *numbers, struct encoder_plain *plain, struct sums *sums)
{
	unsigned number = operation(numbers, kind, site, FIELD_OLD);
	uint64_t block = *word;

	if (__builtin_expect(!block || objects_word_size(block) == OBJECTS_WIDE || size || !number,
			     0))
		return false;
	*word = 0;
	sums->live_bytes -= objects_word_size(block);
	encoder_plain_death(plain, number, site, objects_word_number(block));
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
	const struct record *records = streak->records + i;
	uint64_t count = 0, far;

	for (; count < most && records[count].word[0] >> RECORD_ADDR_BITS < TRACE_MARKS; count++) {
		words[count] =
			objects->words + objects_index(objects, record_addr(records + count));
		__builtin_prefetch(words[count], 1);
	}
	far = streak->seen - i < INLET_AHEAD + count ? streak->seen - i : INLET_AHEAD + count;
	for (uint64_t j = INLET_AHEAD; j < far; j += 64 / sizeof(*records))
		__builtin_prefetch(records + j);
	return count;
}

/* What the loop reads, in copies that no store of a byte can change. */
struct given {
	const uint16_t *numbers; /* of the encoder's operations */
	const uint64_t *sites;   /* their codes */
	uint32_t site_count;
};

/* Deals with a record, whose block has that word. False: it is not plain. */
static inline bool take(const struct record *r, uint64_t *word, const struct given *given,
			struct encoder_plain *plain, struct sums *sums)
{
	/* Of a program that scribbles, the record may be another by now. */
	uint64_t kind = (r->word[0] >> RECORD_ADDR_BITS) % TRACE_MARKS, site;

	if (__builtin_expect(record_site(r) >= given->site_count, 0))
		return false;
	site = given->sites[record_site(r)];
	if (__builtin_expect(site == SITES_UNCODED, 0))
		return false;
	/* Address 0: the call has failed. */
	if (plains[kind] == BIRTH)
		return record_addr(r) &&
		       birth(kind, record_size(r), word, site, given->numbers, plain, sums);
	return plains[kind] == DEATH &&
	       death(kind, record_size(r), word, site, given->numbers, plain, sums);
}

uint64_t streak_take(const struct streak *streak, struct ledger *l, const struct sites *sites)
{
	struct encoder *e = trace_writer_encoder(l->writer);
	uint64_t room = BLOCK_ROWS - e->rows;
	uint64_t count = streak->count < room ? streak->count : room;
	const struct objects objects = l->objects;
	const struct given given = {e->numbers, sites->codes, (uint32_t)sites->count};
	struct sums sums = {l->counts.live_bytes, l->counts.peak_live_bytes};
	struct encoder_plain plain = encoder_begin_plain(e);
	uint64_t i = 0, first, most, end;

	if (l->error || l->next_object >> (OBJECTS_NUMBER_BITS - 1))
		return 0;
	do {
		uint64_t *words[BATCH];

		first = i;
		most = count - i < BATCH ? count - i : BATCH;
		end = i + look_up(streak, i, most, &objects, words);
		while (i < end &&
		       take(streak->records + i, words[i - first], &given, &plain, &sums))
			i++;
	} while (i == first + most && i < count);
	if (!i)
		return 0;
	encoder_end_plain(e, &plain, (uint32_t)i, streak->thread, ledger_time(l, streak->clock));
	l->counts.events += i;
	l->counts.live_bytes = sums.live_bytes;
	l->counts.peak_live_bytes = sums.peak_live_bytes;
	l->next_object = plain.objects;
	if (e->rows == BLOCK_ROWS)
		l->error = trace_writer_flush(l->writer);
	return i;
}
