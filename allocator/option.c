#include "option.h"

#include <stddef.h>
#include <string.h>

#include "notice.h"
#include "os.h"

#define WORD_MOST 256

struct options options;

static const struct {
	const char *key;
	uint32_t standard;
	uint32_t most;
	size_t offset;
} table[] = {
#define OPTION_ROW(key, standard, most, text) {#key, standard, most, offsetof(struct options, key)},
	OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

#define ROWS (sizeof(table) / sizeof(table[0]))

static bool number_parse(const char *text, uint32_t most, uint32_t *value)
{
	uint64_t sum = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		sum = sum * 10 + (uint64_t)(*text - '0');
		if (sum > most)
			return false;
	}
	*value = (uint32_t)sum;
	return true;
}

static void stats_set(const char *value)
{
	options.stats = strcmp(value, "1") == 0;
	options.stats_file[0] = 0;
	if (!options.stats && strcmp(value, "0") != 0) {
		if (strlen(value) >= sizeof(options.stats_file))
			notice_warning("file name too long in HAKMEM_OPTIONS", "stats");
		else
			strcpy(options.stats_file, value);
	}
}

static void rules_set(const char *value)
{
	options.rules[0] = 0;
	if (strlen(value) >= sizeof(options.rules))
		notice_warning("file name too long in HAKMEM_OPTIONS", "rules");
	else
		strcpy(options.rules, value);
}

static void learn_set(const char *value)
{
	options.learn = strcmp(value, "ucb1") == 0;
	if (!options.learn && strcmp(value, "off") != 0)
		notice_warning("HAKMEM_OPTIONS has a value that is not off or ucb1 for", "learn");
}

/* One "key=value". */
static void word_parse(char *word)
{
	char *value = strchr(word, '=');

	if (!value) {
		notice_warning("no '=' in HAKMEM_OPTIONS after", word);
		return;
	}
	*value++ = 0;
	if (strcmp(word, "stats") == 0) {
		stats_set(value);
		return;
	}
	if (strcmp(word, "learn") == 0) {
		learn_set(value);
		return;
	}
	if (strcmp(word, "rules") == 0) {
		rules_set(value);
		return;
	}
	for (size_t row = 0; row < ROWS; row++) {
		if (strcmp(word, table[row].key) != 0)
			continue;
		if (!number_parse(value, table[row].most,
				  (uint32_t *)((char *)&options + table[row].offset)))
			notice_warning("HAKMEM_OPTIONS has a value that is not 0 or 1 for", word);
		return;
	}
	notice_warning("HAKMEM_OPTIONS has an unknown key", word);
}

void option_parse(const char *text, const char *whale_capacity)
{
	memset(&options, 0, sizeof(options));
	for (size_t row = 0; row < ROWS; row++)
		*(uint32_t *)((char *)&options + table[row].offset) = table[row].standard;
	options.whale_capacity = OPTION_WHALE_CAPACITY_MOST;
	while (text && *text) {
		char word[WORD_MOST];
		size_t length = strcspn(text, ",");

		if (length >= sizeof(word)) {
			notice_warning("word too long in HAKMEM_OPTIONS", NULL);
		} else if (length) {
			memcpy(word, text, length);
			word[length] = 0;
			word_parse(word);
		}
		text += length + (text[length] == ',');
	}
	if (whale_capacity &&
	    !number_parse(whale_capacity, OPTION_WHALE_CAPACITY_MOST, &options.whale_capacity))
		notice_warning("HKM_WHALE_CAPACITY is not a number from 0 to 64:", whale_capacity);
	if (!options.whale)
		options.whale_capacity = 0;
}

void option_read(void)
{
	option_parse(os_environment("HAKMEM_OPTIONS"), os_environment("HKM_WHALE_CAPACITY"));
}

void option_drop_tls(void)
{
	options.tls = 0;
}
