#include "notice.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lock.h"
#include "os.h"

#define STDERR 2

struct line {
	char text[512];
	size_t length;
};

static void line_add(struct line *line, const char *text)
{
	size_t length = strlen(text);
	size_t room = sizeof(line->text) - 1 - line->length;

	if (length > room)
		length = room;
	memcpy(line->text + line->length, text, length);
	line->length += length;
}

static void line_end(struct line *line)
{
	line->text[line->length++] = '\n';
	os_write(STDERR, line->text, line->length);
}

void notice_warning(const char *what, const char *word)
{
	struct line line = {.length = 0};

	line_add(&line, "hakmem: ");
	line_add(&line, what);
	if (word) {
		line_add(&line, " '");
		line_add(&line, word);
		line_add(&line, "'");
	}
	line_end(&line);
}

void notice_line(const char *file, unsigned number, const char *what)
{
	struct line line = {.length = 0};
	char digits[16];
	int at = sizeof(digits) - 1;

	digits[at] = 0;
	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	line_add(&line, "hakmem: ");
	line_add(&line, file);
	line_add(&line, ":");
	line_add(&line, digits + at);
	line_add(&line, ": ");
	line_add(&line, what);
	line_end(&line);
}

_Noreturn void notice_fatal(const char *what, const void *ptr)
{
	struct line line = {.length = 0};
	char digits[] = "0x0000000000000000";
	uintptr_t rest = (uintptr_t)ptr;

	for (int at = sizeof(digits) - 2; at > 1; at--, rest >>= 4)
		digits[at] = "0123456789abcdef"[rest & 15];
	line_add(&line, "hakmem: ");
	line_add(&line, what);
	line_add(&line, " ");
	line_add(&line, digits);
	line_end(&line);
	lock_all = true; /* A handler of SIGABRT may allocate, and this thread hold a lock. */
	os_abort();
}
