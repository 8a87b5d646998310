/* A buffer before a stream, with the few conversions that millions of lines need, done fast. */
#ifndef TRACE_PRINTER_H
#define TRACE_PRINTER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PRINTER_BYTES (1 << 16)

struct printer {
	FILE *stream;
	size_t used;
	int error; /* negative errno of the first failed write; the rest is dropped */
	char bytes[PRINTER_BYTES];
};

void printer_init(struct printer *p, FILE *stream);

/* Writes out what is buffered; returns the first error. */
int printer_flush(struct printer *p);

void printer_char(struct printer *p, char c);
void printer_bytes(struct printer *p, const char *text, size_t bytes);
void printer_text(struct printer *p, const char *text);
void printer_decimal(struct printer *p, uint64_t number);
void printer_hex(struct printer *p, uint64_t number); /* 0x... */

/* A JSON string, quoted and escaped. */
void printer_json(struct printer *p, const char *text);

#endif
