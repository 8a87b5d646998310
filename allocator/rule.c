#include "rule.h"

#include <string.h>

#include "heap.h"
#include "keep.h"
#include "meta.h"
#include "notice.h"
#include "os.h"
#include "traces/sitekey.h"

#define FILE_MOST  ((size_t)64 << 20)
#define LINE_MOST  1024
#define ID_MOST    64
#define FIRST_ROOM 64
#define SPACE      " \t\r"

struct rules rules;

static uint16_t keeps; /* numbers given */

/* Table */

static struct rule *place(struct rule *table, uint32_t mask, uint64_t key)
{
	uint32_t at = (uint32_t)key & mask;

	while (table[at].key && table[at].key != key)
		at = (at + 1) & mask;
	return &table[at];
}

const struct rule *rule_find(uint64_t key)
{
	const struct rule *rule;

	if (!rules.count || !key)
		return NULL;
	rule = place(rules.table, rules.mask, key);
	return rule->key ? rule : NULL;
}

static bool table_grow(void)
{
	uint32_t room = rules.table ? 2 * (rules.mask + 1) : FIRST_ROOM;
	struct rule *table = meta_take(room * sizeof(*table));

	if (!table)
		return false;
	for (uint32_t at = 0; rules.table && at <= rules.mask; at++)
		if (rules.table[at].key)
			*place(table, room - 1, rules.table[at].key) = rules.table[at];
	rules.table = table;
	rules.mask = room - 1;
	return true;
}

/* NULL, or what is wrong. */
static const char *rule_add(const struct rule *rule, uint64_t offset)
{
	struct rule *at;

	if (rules.count == RULE_MOST)
		return "more than 65535 rules";
	if ((!rules.table || 2 * rules.count > rules.mask) && !table_grow())
		return "no memory for it";
	at = place(rules.table, rules.mask, rule->key);
	if (at->key)
		return "this site has a rule already";
	*at = *rule;
	if (at->keep != RULE_NO_KEEP)
		at->keep = keeps++;
	rules.count++;
	rules.keys[rule->key % 4096 / 64] |= (uint64_t)1 << (rule->key % 64);
	rules.pages[offset % 4096 / 64] |= (uint64_t)1 << (offset % 64);
	return NULL;
}

/* Words of a line */

/* Decimal, or hexadecimal after 0x; false: neither, or above `most`. */
static bool number_parse(const char *text, uint64_t most, uint64_t *value)
{
	unsigned base = 10;
	uint64_t sum = 0;

	if (text[0] == '0' && text[1] == 'x') {
		base = 16;
		text += 2;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = memchr(digits, *text, base);

		if (!digit || __builtin_mul_overflow(sum, base, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(digit - digits), &sum) || sum > most)
			return false;
	}
	*value = sum;
	return true;
}

static int hex_digit(char digit)
{
	return digit >= '0' && digit <= '9'   ? digit - '0'
	       : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
					      : -1;
}

/* Key of a module given by its build id (16 or more hexadecimal digits) or by its file's name. */
static uint64_t module_key(const char *text)
{
	size_t length = strlen(text);
	uint8_t id[ID_MOST];

	if (length % 2 || length < 16 || length > 2 * sizeof(id))
		return site_module_key(text, length);
	for (size_t at = 0; at < length; at += 2) {
		int high = hex_digit(text[at]), low = hex_digit(text[at + 1]);

		if (high < 0 || low < 0)
			return site_module_key(text, length);
		id[at / 2] = (uint8_t)(high << 4 | low);
	}
	return site_module_key(id, length / 2);
}

/* MODULE+OFFSET@HEIGHT. NULL, or what is wrong. */
static const char *site_parse(char *text, uint64_t *key, uint64_t *offset)
{
	char *at = strrchr(text, '@'), *plus;
	uint64_t height;

	if (!at)
		return "the site has no '@HEIGHT'";
	*at = 0;
	plus = strrchr(text, '+');
	if (!plus || plus == text)
		return "the site is not 'MODULE+OFFSET@HEIGHT'";
	*plus = 0;
	if (!number_parse(plus + 1, UINT64_MAX >> 1, offset))
		return "the site's offset is not a number";
	if (!number_parse(at + 1, UINT32_MAX, &height))
		return "the site's height is not a number of 32 bits";
	*key = site_key(module_key(text), *offset, (uint32_t)height);
	return NULL;
}

static const char *pool_set(struct rule *rule, unsigned pool)
{
	if (rule->pool != RULE_NO_POOL)
		return "more than one of 'life', 'remote' and 'pool'";
	rule->pool = (uint8_t)pool;
	return NULL;
}

/* NULL, or what is wrong. */
static const char *action_parse(const char *word, struct rule *rule)
{
	uint64_t number;

	if (strcmp(word, "keep") == 0) {
		if (keeps == KEEP_SITES)
			return "more than 4096 sites keep";
		rule->keep = 0; /* the number follows */
		return NULL;
	}
	if (strncmp(word, "grow=", 5) == 0) {
		if (!number_parse(word + 5, RULE_GROW_MOST, &number) || !number)
			return "'grow' is not a number of bytes from 1 to 1 GiB";
		rule->grow = (uint32_t)number;
		return NULL;
	}
	if (strcmp(word, "remote") == 0)
		return pool_set(rule, HEAP_POOL_REMOTE);
	if (strcmp(word, "life=short") == 0)
		return pool_set(rule, HEAP_POOL_SHORT);
	if (strcmp(word, "life=long") == 0)
		return pool_set(rule, HEAP_POOL_LONG);
	if (strncmp(word, "pool=", 5) == 0) {
		if (!number_parse(word + 5, HEAP_POOLS_PINNED, &number) || !number)
			return "'pool' is not a number from 1 to 8";
		return pool_set(rule, HEAP_POOL_PINNED + (unsigned)number - 1);
	}
	return "unknown action";
}

/* One line without its end. NULL, or what is wrong. */
static const char *line_parse(char *line)
{
	struct rule rule = {.keep = RULE_NO_KEEP, .pool = RULE_NO_POOL};
	const char *wrong;
	char *word, *rest = NULL;
	uint64_t offset;
	bool any = false;

	line[strcspn(line, "#")] = 0;
	word = strtok_r(line, SPACE, &rest);
	if (!word)
		return NULL;
	wrong = site_parse(word, &rule.key, &offset);
	while (!wrong && (word = strtok_r(NULL, SPACE, &rest))) {
		wrong = action_parse(word, &rule);
		any = true;
	}
	if (!wrong && !any)
		wrong = "no action after the site";
	return wrong ? wrong : rule_add(&rule, offset);
}

static void text_parse(const char *file, const char *text, size_t bytes)
{
	unsigned number = 1;

	for (size_t at = 0; at < bytes; number++) {
		const char *end = memchr(text + at, '\n', bytes - at);
		size_t length = end ? (size_t)(end - text) - at : bytes - at;
		const char *wrong;
		char line[LINE_MOST];

		if (length >= sizeof(line)) {
			wrong = "line longer than 1023 bytes";
		} else if (memchr(text + at, 0, length)) {
			wrong = "a byte that is no text";
		} else {
			memcpy(line, text + at, length);
			line[length] = 0;
			wrong = line_parse(line);
		}
		if (wrong)
			notice_line(file, number, wrong);
		at += length + 1;
	}
}

void rule_read(const char *file)
{
	size_t bytes;
	char *text;

	if (!*file)
		return;
	text = os_map_file(file, FILE_MOST, &bytes);
	if (!text) {
		notice_warning("cannot read the rules of", file);
		return;
	}
	if (bytes)
		text_parse(file, text, bytes);
	os_unmap(text, bytes ? bytes : 1);
}
