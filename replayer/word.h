/*
 * Reads the words that options take. One that means nothing ends the program with status 2, naming
 * the option.
 */
#ifndef REPLAYER_WORD_H
#define REPLAYER_WORD_H

#include <argp.h>
#include <stdint.h>

/* Number of the word in a list that NULL ends. */
unsigned word_choice(struct argp_state *state, const char *option, const char *word,
		     const char *const *words);

/* A whole number from 1 to UINT32_MAX. */
uint64_t word_number(struct argp_state *state, const char *option, const char *text);

/* A number from a millionth to a million. */
double word_factor(struct argp_state *state, const char *option, const char *text);

/* Bytes, or with a K, M or G as many times 2^10, 2^20, 2^30. */
uint64_t word_bytes(struct argp_state *state, const char *option, const char *text);

/* KEY=VALUE,...: every key has to be one that hakmem knows, and to have a value. */
void word_hakmem(struct argp_state *state, const char *words);

#endif
