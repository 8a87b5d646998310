#include "shellwords.h"

#include <stdlib.h>
#include <string.h>

/* Characters that mean only themselves to a shell. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "-_./:=,@%+";

static int is_plain(const char *word, size_t length)
{
	size_t i = 0;

	while (i < length && memchr(plain, word[i], sizeof(plain) - 1))
		i++;
	return length && i == length;
}

static char *quote(char *out, const char *word, size_t length)
{
	if (is_plain(word, length))
		return mempcpy(out, word, length);
	*out++ = '\'';
	for (size_t i = 0; i < length; i++) {
		if (word[i] == '\'')
			out = mempcpy(out, "'\\'", 3);
		*out++ = word[i];
	}
	*out++ = '\'';
	return out;
}

char *shellwords_join(const char *words, size_t bytes)
{
	/* A quote becomes four characters; a word gets two quotes and a blank. */
	char *text = malloc(4 * bytes + 4), *out = text;

	if (!text)
		return NULL;
	for (size_t at = 0, length; at < bytes; at += length + 1) {
		length = strnlen(words + at, bytes - at);
		if (out > text)
			*out++ = ' ';
		out = quote(out, words + at, length);
	}
	*out = 0;
	return text;
}
