#include "lexer.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool lexer_number(char **text, int base, uint64_t *number)
{
	char *end;

	if (base == 16 ? !isxdigit((unsigned char)**text) : !isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*number = strtoull(*text, &end, base);
	if (errno)
		return false;
	*text = end;
	return true;
}

bool lexer_addr(char **text, uint64_t *addr)
{
	if (lexer_text(text, "(nil)")) {
		*addr = 0;
		return true;
	}
	return lexer_number(text, 16, addr);
}

bool lexer_text(char **text, const char *wanted)
{
	size_t length = strlen(wanted);

	if (strncmp(*text, wanted, length) != 0)
		return false;
	*text += length;
	return true;
}
