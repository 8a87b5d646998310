#include "word.h"

#include "allocator/hakmem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned word_choice(struct argp_state *state, const char *option, const char *word,
		     const char *const *words)
{
	for (unsigned i = 0; words[i]; i++)
		if (!strcmp(words[i], word))
			return i;
	argp_error(state, "--%s: no such choice: %s", option, word);
	return 0;
}

uint64_t word_number(struct argp_state *state, const char *option, const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < 1 || value > UINT32_MAX)
		argp_error(state, "--%s: not a number from 1 to %u: %s", option, UINT32_MAX, text);
	return value;
}

double word_factor(struct argp_state *state, const char *option, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= 1e-6 && value <= 1e6))
		argp_error(state, "--%s: not a number from 0.000001 to 1000000: %s", option, text);
	return value;
}

uint64_t word_bytes(struct argp_state *state, const char *option, const char *text)
{
	static const char units[] = "KMG";
	char *end;
	unsigned long long value;
	unsigned shift = 0;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (end != text && *end && strchr(units, *end))
		shift = 10 * (unsigned)(strchr(units, *end++) - units + 1);
	if (errno || end == text || *end || *text == '-' || !value || value > UINT64_MAX >> shift)
		argp_error(state, "--%s: not a number of bytes: %s", option, text);
	return value << shift;
}

/* Without its rules hakmem would run, with a word of warning. */
static void rules_look(struct argp_state *state, const char *file, size_t length)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s", (int)length, file);
	if (*path && access(path, R_OK))
		argp_error(state, "--hakmem: rules=%s: %s", path, strerror(errno));
}

void word_hakmem(struct argp_state *state, const char *words)
{
#define KEY(key) #key,
	static const char *const keys[] = {HAK_OPTIONS(KEY) NULL};
#undef KEY
	size_t length;

	for (; *words; words += length + (words[length] == ',')) {
		size_t key = strcspn(words, "=,");
		unsigned i = 0;

		length = strcspn(words, ",");
		while (keys[i] && (strlen(keys[i]) != key || strncmp(keys[i], words, key)))
			i++;
		if (!keys[i])
			argp_error(state, "--hakmem: hakmem has no option %.*s", (int)key, words);
		if (key == length)
			argp_error(state, "--hakmem: %.*s has no value: %.*s=VALUE", (int)key,
				   words, (int)key, words);
		if (!strcmp(keys[i], "rules"))
			rules_look(state, words + key + 1, length - key - 1);
	}
}
