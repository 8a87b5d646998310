/* What streaks take is what the ledger makes of the same records one by one. */
#include "unit.h"

#include "recorder/streak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREAD 1
#define PLACES 40 /* of blocks; two spans and more */
#define SITES  3  /* the last one is not in the trace */

/* A ledger and where it writes. */
struct book {
	char path[20];
	struct ledger ledger;
	struct ledger_old old; /* a realloc's first half was dealt with */
	bool resizing;
};

static struct sites sites;
static uint64_t clock_now = 200;

static void open_book(struct book *b)
{
	static const struct trace_thread thread = {1, "main", 0, TRACE_NONE};
	static const struct trace_site site = {.module = TRACE_NO_MODULE, .offset = 0x401000};
	struct trace_writer *writer;

	*b = (struct book){.path = "/tmp/streak.XXXXXX"};
	assert_int_equal(close(mkstemp(b->path)), 0);
	assert_int_equal(trace_writer_open(&writer, b->path), 0);
	for (int i = 0; i <= THREAD; i++)
		assert_int_equal(trace_writer_thread(writer, &thread), i);
	assert_int_equal(trace_writer_site(writer, &site), 0);
	assert_int_equal(ledger_init(&b->ledger, writer, 100), 0);
}

static void close_book(struct book *b)
{
	ledger_fini(&b->ledger);
	unlink(b->path);
}

static int open_sites(void **state)
{
	(void)state;
	sites_init(&sites);
	sites_tell(&sites, SITES - 1, &(struct site){.addr = 0x402000});
	sites_define(&sites, 1, 0);
	return 0;
}

static int close_sites(void **state)
{
	(void)state;
	sites_fini(&sites);
	return 0;
}

static struct record record(unsigned kind, uint64_t addr, uint64_t size, uint64_t site)
{
	return (struct record){
		.word = {record_head(kind, addr), record_rest((uint32_t)site, size)}};
}

/* One record, by the ledger alone. */
static void deal(struct book *b, const struct record *r)
{
	struct trace_event row = {
		.kind = (uint8_t)record_kind(r),
		.addr = record_addr(r),
		.size = record_size(r),
		.align = record_align(r),
		.thread = THREAD,
		.site = record_site(r) == 1 ? 0 : TRACE_NO_SITE,
		.flags = record_failed(r, record_size(r)) ? TRACE_FAILED : 0,
	};

	if (record_kind(r) == RECORD_OLD) {
		ledger_resize(&b->ledger, record_addr(r), &b->old, true);
		b->resizing = true;
	} else if (trace_class(row.kind) == TRACE_CLASS_FREE) {
		ledger_death(&b->ledger, &row, clock_now, true);
	} else if (trace_class(row.kind) == TRACE_CLASS_ALLOC) {
		ledger_birth(&b->ledger, &row, clock_now, true);
	} else {
		if (!b->resizing)
			b->old = (struct ledger_old){0};
		ledger_resized(&b->ledger, &row, clock_now, &b->old, true);
		b->resizing = false;
	}
	assert_int_equal(b->ledger.error, 0);
}

static uint64_t take(struct book *b, const struct record *records, uint64_t count)
{
	const struct streak streak = {records, count, count, clock_now, THREAD};

	return b->resizing ? 0 : streak_take(&streak, &b->ledger, &sites);
}

static void take_all(struct book *b, const struct record *records, uint64_t count)
{
	for (uint64_t i = 0, taken; i < count; i += taken) {
		taken = take(b, records + i, count - i);
		if (!taken) {
			deal(b, records + i);
			taken = 1;
		}
	}
}

/* ---- how far a streak goes ---- */

/* Every operation that a plain row may have is in the block from now on. */
static void meet_operations(struct book *b)
{
	const struct record all[] = {
		record(TRACE_MALLOC, 0x1000, 10, 1),  record(RECORD_OLD, 0x1000, 0, 0),
		record(TRACE_REALLOC, 0x1000, 5, 1),  record(RECORD_OLD, 0x1000, 0, 0),
		record(TRACE_REALLOC, 0x1200, 5, 1),  record(TRACE_FREE, 0x1200, 0, 1),
		record(TRACE_REALLOC, 0x1000, 50, 1), record(TRACE_FREE, 0x1000, 0, 1),
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		deal(b, &all[i]);
}

/* Of so many of these two records and a plain one behind, where a block of 100 bytes is alive at
 * 0x1000 and one of 65536 at 0x1010. */
static void expect_taken_of(uint64_t count, uint64_t expected, struct record first,
			    struct record second)
{
	const struct record records[] = {first, second, record(TRACE_MALLOC, 0x1200, 7, 1)};
	const struct record alive[] = {record(TRACE_MALLOC, 0x1000, 100, 1),
				       record(TRACE_MALLOC, 0x1010, 65536, 1)};
	struct book book;

	open_book(&book);
	meet_operations(&book);
	deal(&book, &alive[0]);
	deal(&book, &alive[1]);
	assert_int_equal(take(&book, records, count), expected);
	if (!expected)
		assert_int_equal(book.ledger.counts.live_bytes, 65636);
	trace_writer_close(book.ledger.writer, NULL);
	close_book(&book);
}

static void expect_taken(uint64_t expected, struct record first, struct record second)
{
	expect_taken_of(3, expected, first, second);
}

static void test_births_and_deaths(void **state)
{
	const struct record malloc = record(TRACE_MALLOC, 0x1100, 10, 1);
	const struct record free = record(TRACE_FREE, 0x1100, 0, 1);
	struct record aligned = malloc;

	(void)state;
	aligned.word[0] |= record_align_bits(64);
	expect_taken(0, aligned, free);
	expect_taken(3, malloc, free);
	expect_taken(3, malloc, record(TRACE_FREE, 0x1000, 0, 1));
	expect_taken(3, record(TRACE_MALLOC, 0x1100, 65535, 1), free);
	expect_taken(3, record(TRACE_REALLOC, 0x1100, 10, 1), free);
	/* The second is none. */
	expect_taken(1, malloc, record(TRACE_FREE, 0x1110, 0, 1));
	expect_taken(1, malloc, malloc);
	/* The first is none. */
	expect_taken(0, free, malloc);
	expect_taken(0, record(TRACE_FREE, 0x1010, 0, 1), malloc);
	expect_taken(0, record(TRACE_MALLOC, 0x1100, 65536, 1), free);
	expect_taken(0, record(TRACE_MALLOC, 0x1100, 0, 1), free);
	expect_taken(0, record(TRACE_MALLOC, 0, 10, 1), malloc);
	expect_taken(0, record(TRACE_MALLOC, 0x1000, 10, 1), malloc);
	expect_taken(0, record(TRACE_CALLOC, 0x1100, 10, 1), free); /* its operation is new */
	/* Spans that are new. */
	expect_taken(3, record(TRACE_MALLOC, 0x123400, 10, 1),
		     record(TRACE_MALLOC, 0x123410, 10, 1));
	expect_taken(1, record(TRACE_MALLOC, 0x123400, 10, 1), record(TRACE_FREE, 0x567800, 0, 1));
	expect_taken(0, record(TRACE_MALLOC, 0x123400, 65536, 1), malloc);
	expect_taken(3, record(TRACE_MALLOC, 0x123408, 10, 1),
		     record(TRACE_MALLOC, 0x123410, 10, 1));
	expect_taken(1, record(TRACE_MALLOC, 0x123408, 10, 1), record(TRACE_FREE, 0x123400, 0, 1));
	expect_taken(0, record(TRACE_MALLOC, 0x1100, 10, 0), free);
	expect_taken(0, record(TRACE_MALLOC, 0x1100, 10, 2), free);
	expect_taken(0, record(TRACE_MALLOC, 0x1100, 10, SITES), free);
}

static void test_reallocs(void **state)
{
	const struct record old = record(RECORD_OLD, 0x1000, 0, 0);

	(void)state;
	expect_taken(3, old, record(TRACE_REALLOC, 0x1000, 10, 1));
	expect_taken(3, old, record(TRACE_REALLOC, 0x1100, 10, 1));
	expect_taken(3, old, record(TRACE_REALLOC, 0x123400, 10, 1));
	expect_taken(3, old, record(TRACE_REALLOC, 0x123408, 10, 1));
	expect_taken(0, old, record(TRACE_REALLOC, 0x1100, 65536, 1));
	expect_taken(0, old, record(TRACE_REALLOC, 0x1010, 10, 1));
	expect_taken(0, old, record(TRACE_REALLOC, 0, 10, 1));
	expect_taken(0, old, record(TRACE_REALLOC, 0, 0, 1));
	expect_taken(0, old, record(TRACE_REALLOC, 0x1100, 10, 2));
	expect_taken(0, old, record(TRACE_MALLOC, 0x1100, 10, 1));
	expect_taken(0, old, old);
	expect_taken(0, old, record(RECORD_THREAD, 0x1100, 10, 1));
	expect_taken_of(2, 2, old, record(TRACE_REALLOC, 0x1100, 10, 1));
	/* The second half is another streak's. */
	expect_taken_of(1, 0, old, record(TRACE_REALLOC, 0x1100, 10, 1));
	expect_taken(0, record(RECORD_OLD, 0x1100, 0, 0), record(TRACE_REALLOC, 0x1100, 10, 1));
	expect_taken(0, record(RECORD_OLD, 0x1010, 0, 0), record(TRACE_REALLOC, 0x1010, 10, 1));
}

/* ---- what it makes of them ---- */

static uint64_t draw(uint64_t *state, uint64_t below)
{
	return unit_random(state) % below;
}

static uint64_t some_size(uint64_t *state)
{
	static const uint64_t rare[] = {0, 1, 65534, 65535, 65536, 65537, 1 << 20};

	return draw(state, 50) ? draw(state, 400) : rare[draw(state, sizeof(rare) / sizeof(*rare))];
}

/* A call or a realloc's half, whatever is alive; only what no program does is left out. */
static size_t some_records(uint64_t *state, struct record *r)
{
	static const unsigned births[] = {TRACE_MALLOC, TRACE_CALLOC, TRACE_REALLOC};
	uint64_t addr = 0x10000 + draw(state, PLACES) * 16, site = draw(state, 50) ? 1 : 0;
	uint64_t size = some_size(state);

	if (draw(state, 100) == 0)
		addr += 8;
	switch (draw(state, 16)) {
	case 0: /* in place, or to size 0 */
		r[0] = record(RECORD_OLD, addr, 0, 0);
		r[1] = record(TRACE_REALLOC, size ? addr : 0, size, site);
		return 2;
	case 1: /* moved, or failed */
		r[0] = record(RECORD_OLD, addr, 0, 0);
		addr = draw(state, 10) ? 0x10000 + draw(state, PLACES) * 16 : 0;
		r[1] = record(TRACE_REALLOC, addr, size, site);
		return 2;
	case 2: /* failed */
		r[0] = record(births[draw(state, 3)], 0, size + 1, site);
		return 1;
	case 3: /* aligned */
		r[0] = record(TRACE_ALIGNED_ALLOC, addr, size, site);
		r[0].word[0] |= record_align_bits(64);
		return 1;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
	case 9:
		r[0] = record(births[draw(state, 3)], addr, size, site);
		return 1;
	default:
		r[0] = record(TRACE_FREE, addr, 0, site);
		return 1;
	}
}

static void end_book(struct book *b)
{
	static const struct trace_totals totals;

	assert_int_equal(trace_writer_close(b->ledger.writer, &totals), 0);
}

static void assert_same_files(const char *path, const char *other)
{
	FILE *a = fopen(path, "rb"), *b = fopen(other, "rb");
	int c;

	assert_non_null(a);
	assert_non_null(b);
	do {
		c = getc(a);
		assert_int_equal(c, getc(b));
	} while (c != EOF);
	fclose(a);
	fclose(b);
}

/* A quarter of them at a time. */
static void assert_same_trace(const struct record *records, size_t count)
{
	struct book streaks, alone;

	open_book(&streaks);
	open_book(&alone);
	for (size_t part = 0; part < 4; part++, clock_now += 1000) {
		size_t from = count * part / 4, to = count * (part + 1) / 4;

		take_all(&streaks, records + from, to - from);
		for (size_t i = from; i < to; i++)
			deal(&alone, records + i);
	}
	assert_memory_equal(&streaks.ledger.counts, &alone.ledger.counts,
			    sizeof(alone.ledger.counts));
	assert_int_equal(streaks.ledger.next_object, alone.ledger.next_object);
	end_book(&streaks);
	end_book(&alone);
	assert_same_files(streaks.path, alone.path);
	close_book(&streaks);
	close_book(&alone);
}

enum { RECORDS = 200000 }; /* several blocks */

static void test_the_trace_is_the_same(void **state)
{
	struct record *records = calloc(RECORDS + 1, sizeof(*records));
	uint64_t seed = 1;
	size_t count = 0;

	(void)state;
	while (count < RECORDS)
		count += some_records(&seed, records + count);
	assert_same_trace(records, count);
	free(records);
}

/* Nothing but plain records ends these blocks. */
static void test_full_blocks(void **state)
{
	struct record *records = calloc(RECORDS, sizeof(*records));

	(void)state;
	for (size_t i = 0; i < RECORDS; i++)
		records[i] = i % 2 ? record(TRACE_FREE, 0x1000, 0, 1)
				   : record(TRACE_MALLOC, 0x1000, 1 + i % 60000, 1);
	assert_same_trace(records, RECORDS);
	free(records);
}

static void test_without_sites(void **state)
{
	struct record *records = calloc(RECORDS, sizeof(*records));
	struct sites known = sites;
	struct book book;

	(void)state;
	assert_int_equal(sites_init(&sites), 0);
	for (size_t i = 0; i < RECORDS; i++)
		records[i] = record(i % 2 ? TRACE_FREE : TRACE_MALLOC, 0x1000, i % 2 ? 0 : 10, 0);
	assert_same_trace(records, RECORDS);
	open_book(&book);
	deal(&book, &records[0]);
	deal(&book, &records[1]);
	assert_int_equal(take(&book, records, 100), 100);
	trace_writer_close(book.ledger.writer, NULL);
	close_book(&book);
	sites_fini(&sites);
	sites = known;
	free(records);
}

/* As a forked child knows them: none is defined yet, and there is none without a number. */
static void test_copied_sites(void **state)
{
	const struct record malloc = record(TRACE_MALLOC, 0x1100, 10, 1);
	const struct record free = record(TRACE_FREE, 0x1100, 0, 1);
	struct sites known = sites;

	(void)state;
	assert_int_equal(sites_copy(&sites, &known), 0);
	expect_taken(0, malloc, free);
	sites_define(&sites, 1, 0);
	expect_taken(3, malloc, free);
	expect_taken(0, record(TRACE_MALLOC, 0x1100, 10, 0), free);
	sites_fini(&sites);
	sites = known;
}

/* A program that scribbles may tell of the site that stands for none. */
static void test_no_site_is_never_one(void **state)
{
	struct sites known = sites;

	(void)state;
	assert_int_equal(sites_init(&sites), 0);
	assert_int_equal(sites_tell(&sites, 0, &(struct site){.addr = 0x402000}), 0);
	assert_int_equal(sites.count, 1);
	assert_int_equal(sites.all[0].number, TRACE_NO_SITE);
	assert_int_equal(sites.codes[0], 0);
	sites_fini(&sites);
	sites = known;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_births_and_deaths),     cmocka_unit_test(test_reallocs),
		cmocka_unit_test(test_the_trace_is_the_same), cmocka_unit_test(test_full_blocks),
		cmocka_unit_test(test_without_sites),         cmocka_unit_test(test_copied_sites),
		cmocka_unit_test(test_no_site_is_never_one),
	};

	return cmocka_run_group_tests(tests, open_sites, close_sites);
}
