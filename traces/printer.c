#include "printer.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

void printer_init(struct printer *p, FILE *stream)
{
	p->stream = stream;
	p->used = 0;
	p->error = 0;
}

int printer_flush(struct printer *p)
{
	errno = 0;
	if (fwrite(p->bytes, 1, p->used, p->stream) != p->used && !p->error)
		p->error = errno ? -errno : -EIO;
	p->used = 0;
	return p->error;
}

void printer_char(struct printer *p, char c)
{
	if (p->used == PRINTER_BYTES)
		printer_flush(p);
	p->bytes[p->used++] = c;
}

void printer_bytes(struct printer *p, const char *text, size_t bytes)
{
	while (bytes) {
		size_t room = PRINTER_BYTES - p->used;
		size_t part = bytes < room ? bytes : room;

		memcpy(p->bytes + p->used, text, part);
		p->used += part;
		text += part;
		bytes -= part;
		if (bytes)
			printer_flush(p);
	}
}

void printer_text(struct printer *p, const char *text)
{
	printer_bytes(p, text, strlen(text));
}

void printer_decimal(struct printer *p, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	printer_bytes(p, digits + at, sizeof(digits) - at);
}

void printer_hex(struct printer *p, uint64_t number)
{
	char digits[18];
	size_t at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[number % 16];
		number /= 16;
	} while (number);
	digits[--at] = 'x';
	digits[--at] = '0';
	printer_bytes(p, digits + at, sizeof(digits) - at);
}

void printer_json(struct printer *p, const char *text)
{
	struct json_object *string = json_object_new_string(text);

	printer_text(p, json_object_to_json_string_ext(string, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(string);
}
