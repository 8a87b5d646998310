#include "stat.h"

#include <stddef.h>
#include <string.h>

#include "os.h"

struct counters stat_shared;

static const struct {
	const char *name;
	const char *text;
	size_t from;
	size_t to;
} table[] = {
#define STAT_ROW(field, text)                                                                      \
	{#field, text, offsetof(struct counters, field), offsetof(struct hak_stats, field)},
	HAK_STATS(STAT_ROW)
#undef STAT_ROW
};

#define ROWS (sizeof(table) / sizeof(table[0]))

void stat_sum(struct hak_stats *sum, const struct counters *counters)
{
	for (size_t row = 0; row < ROWS; row++) {
		_Atomic uint64_t *from = (_Atomic uint64_t *)((char *)counters + table[row].from);

		*(uint64_t *)((char *)sum + table[row].to) +=
			atomic_load_explicit(from, memory_order_relaxed);
	}
}

/* Text is gathered here, so that a reader of a pipe sees whole lines and few writes are made. */
struct page {
	char text[8192];
	size_t length;
};

static void page_add(struct page *page, const char *text)
{
	size_t length = strlen(text);

	if (length > sizeof(page->text) - page->length)
		length = sizeof(page->text) - page->length;
	memcpy(page->text + page->length, text, length);
	page->length += length;
}

static void page_number(struct page *page, uint64_t number, int width)
{
	char digits[24];
	int at = sizeof(digits) - 1;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	while (at > 0 && (int)sizeof(digits) - 1 - at < width)
		digits[--at] = ' ';
	page_add(page, digits + at);
}

static uint64_t row_value(const struct hak_stats *stats, size_t row)
{
	return *(const uint64_t *)((const char *)stats + table[row].to);
}

void stat_print(int fd, const struct hak_stats *stats)
{
	struct page page = {.length = 0};

	page_add(&page, "hakmem: counters\n");
	for (size_t row = 0; row < ROWS; row++) {
		page_number(&page, row_value(stats, row), 16);
		page_add(&page, " ");
		page_add(&page, table[row].name);
		page_add(&page, ": ");
		page_add(&page, table[row].text);
		page_add(&page, "\n");
	}
	os_write(fd, page.text, page.length);
}

void stat_print_json(int fd, const struct hak_stats *stats)
{
	struct page page = {.length = 0};

	page_add(&page, "{\"version\": ");
	page_number(&page, stats->version, 0);
	for (size_t row = 0; row < ROWS; row++) {
		page_add(&page, ", \"");
		page_add(&page, table[row].name);
		page_add(&page, "\": ");
		page_number(&page, row_value(stats, row), 0);
	}
	page_add(&page, "}\n");
	os_write(fd, page.text, page.length);
}
