/*
 * Random legal traces that are hard to replay: threads that come and go, objects handed from thread
 * to thread and changed there, every kind of call, failed and foreign ones, inherited objects.
 */
#ifndef TESTS_RANDOMROWS_H
#define TESTS_RANDOMROWS_H

#include <stdint.h>

struct randomrows {
	uint64_t seed;
	uint32_t threads; /* in all */
	uint32_t rows;    /* about */
	uint32_t live;    /* objects alive at a time, about */
};

/* Writes one to path; ends the program on errors. */
void randomrows_write(const struct randomrows *how, const char *path);

/* The resident pages that are told of an object of that size at its end; TRACE_NONE: nothing is. */
uint64_t randomrows_pages(uint64_t object, uint64_t size);

/* The next number of a sequence. */
uint64_t randomrows_next(uint64_t *state);

#endif
