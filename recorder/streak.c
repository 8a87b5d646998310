#include "streak.h"

#include "traces/encoder.h"

#define AHEAD 16 /* so many records ahead blocks are brought near */

/* By a record's upper 16 bits, when there are no flags and no alignment in them. */
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
static inline unsigned operation(const uint16_t *numbers, unsigned kind, unsigned fields)
{
	return numbers[encoder_key(kind, 0, fields)];
}

/* site: its number plus one, 0: none. False: not plain. */
static inline bool birth(const struct record *r, uint64_t *word, uint32_t site,
			 const uint16_t *numbers, struct encoder_plain *plain, struct sums *sums)
{
	uint64_t size = record_size(r);
	unsigned fields = FIELD_OBJECT | (unsigned)(site != 0) * FIELD_SITE |
			  (unsigned)(size != 0) * FIELD_SIZE;
	unsigned number = operation(numbers, record_kind(r), fields);

	if (__builtin_expect(*word || size >= OBJECTS_WIDE || !number, 0))
		return false;
	*word = objects_word(plain->objects, size);
	sums->live_bytes += size;
	if (sums->live_bytes > sums->peak_live_bytes)
		sums->peak_live_bytes = sums->live_bytes;
	encoder_plain_birth(plain, number, site, size);
	return true;
}

static inline bool death(const struct record *r, uint64_t *word, uint32_t site,
			 const uint16_t *numbers, struct encoder_plain *plain, struct sums *sums)
{
	unsigned fields = FIELD_OLD | (unsigned)(site != 0) * FIELD_SITE;
	unsigned number = operation(numbers, record_kind(r), fields);
	uint64_t block = *word;

	if (__builtin_expect(!block || objects_word_size(block) == OBJECTS_WIDE || record_size(r) ||
				     !number,
			     0))
		return false;
	*word = 0;
	sums->live_bytes -= objects_word_size(block);
	encoder_plain_death(plain, number, site, objects_word_number(block));
	return true;
}

/* Brings near what the record at number i and those behind it are about. */
static inline void look_ahead(const struct streak *streak, const struct objects *objects,
			      uint64_t i)
{
	uint64_t last = streak->seen - 1;
	uint64_t ahead = i + AHEAD < last ? i + AHEAD : last;
	uint64_t far = i + INLET_AHEAD < last ? i + INLET_AHEAD : last;

	objects_prefetch(objects, record_addr(streak->records + ahead));
	__builtin_prefetch(streak->records + far);
}

/* The same for the first records. */
__attribute__((noinline)) static void look_first(const struct streak *streak,
						 const struct objects *objects)
{
	for (uint64_t i = 0; i < AHEAD && i < streak->seen; i++)
		objects_prefetch(objects, record_addr(streak->records + i));
}

uint64_t streak_take(const struct streak *streak, struct ledger *l, const struct sites *sites)
{
	struct encoder *e = trace_writer_encoder(l->writer);
	uint64_t room = BLOCK_ROWS - e->rows;
	uint64_t count = streak->count < room ? streak->count : room;
	/* Copies, which no store of a byte can change. */
	const struct objects objects = l->objects;
	const struct streak here = *streak;
	const uint16_t *numbers = e->numbers;
	const uint32_t *site_numbers = sites->numbers;
	uint32_t site_count = (uint32_t)sites->count;
	struct sums sums = {l->counts.live_bytes, l->counts.peak_live_bytes};
	struct encoder_plain plain = encoder_begin_plain(e);
	uint64_t i;

	if (l->error || l->next_object >> (OBJECTS_NUMBER_BITS - 1))
		return 0;
	if (here.fresh)
		look_first(streak, &l->objects);
	for (i = 0; i < count; i++) {
		const struct record *r = here.records + i;
		uint64_t head = r->word[0] >> RECORD_ADDR_BITS;
		uint32_t number = record_site(r), site;
		size_t index;
		bool taken;

		look_ahead(&here, &objects, i);
		if (__builtin_expect(head >= TRACE_MARKS || number >= site_count, 0))
			break;
		site = site_numbers[number] + 1;
		index = objects_index(&objects, record_addr(r));
		if (__builtin_expect(site == SITES_UNDEFINED + 1 || index < OBJECTS_NODE_WORDS, 0))
			break;
		taken = plains[head] == BIRTH
				? birth(r, objects.words + index, site, numbers, &plain, &sums)
			: plains[head] == DEATH
				? death(r, objects.words + index, site, numbers, &plain, &sums)
				: false;
		if (__builtin_expect(!taken, 0))
			break;
	}
	if (!i)
		return 0;
	encoder_end_plain(e, &plain, (uint32_t)i, here.thread, ledger_time(l, here.clock));
	ledger_skip(l, i - 1);
	l->counts.events += i;
	l->counts.live_bytes = sums.live_bytes;
	l->counts.peak_live_bytes = sums.peak_live_bytes;
	l->next_object = plain.objects;
	if (e->rows == BLOCK_ROWS)
		l->error = trace_writer_flush(l->writer);
	return i;
}
