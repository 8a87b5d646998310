/* Takes what stands at the front of a text, and moves the text's pointer past it. */
#ifndef TRACE_LEXER_H
#define TRACE_LEXER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Digits to the base 10 or 16 (these with or without 0x), no sign and no blank before them. False,
 * and nothing taken, when there are none or their number needs more than 64 bits.
 */
bool lexer_number(char **text, int base, uint64_t *number);

/* An address as printf's %p has it: hexadecimal, or "(nil)" for 0. */
bool lexer_addr(char **text, uint64_t *addr);

/* This very text. */
bool lexer_text(char **text, const char *wanted);

#endif
