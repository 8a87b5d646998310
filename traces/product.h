/* The file that a command makes from a trace, and the words that name both. */
#ifndef TRACE_PRODUCT_H
#define TRACE_PRODUCT_H

#include <argp.h>
#include <stdbool.h>

/* What the command line names. */
struct product {
	const char *trace;
	const char *output;
};

/*
 * Takes `--output OUT TRACE`, both needed, into a struct product: the first child of a command's
 * argp, which gives it the struct with product_input() at ARGP_KEY_INIT.
 */
extern const struct argp_child product_words[];

static inline error_t product_input(struct argp_state *state, struct product *product)
{
	state->child_inputs[0] = product;
	return 0;
}

/* True when making the file would take the place of the one that is read. */
bool product_is_source(const char *path, const char *source);

/* Removes what was begun and could not be finished, when it is a regular file. */
void product_discard(const char *path);

#endif
