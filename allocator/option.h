/* The options: HAKMEM_OPTIONS=key=value,... and HKM_WHALE_CAPACITY, read once at the first
 * allocation. */
#ifndef OPTION_H
#define OPTION_H

#include <stdbool.h>
#include <stdint.h>

/*
 * X(key, default, most, what it does). A switch is a number from 0 to 1; the capacity comes from
 * its own variable, not from HAKMEM_OPTIONS.
 */
#define OPTIONS(X)                                                                                 \
	X(tls, 1, 1, "caches of each thread; 0: all threads share one locked heap")                \
	X(tiny, 1, 1, "pool up to 1 KiB; 0: the Mid pool serves small sizes")                      \
	X(l25, 1, 1, "pool from 32 KiB to 2 MiB; 0: these sizes are mapped one by one")            \
	X(whale, 1, 1, "keep freed regions of 2 MiB and more; 0: unmap them at once")

#define OPTION_WHALE_CAPACITY_MOST 64

struct options {
#define OPTION_FIELD(key, standard, most, text) uint32_t key;
	OPTIONS(OPTION_FIELD)
#undef OPTION_FIELD
	uint32_t whale_capacity; /* most regions kept; below the most, no Whale is a stretch */
	bool learn;              /* learn=ucb1 */
	char rules[256];         /* file of site rules; "" for none */
	bool stats;              /* print counters at exit */
	char stats_file[256];    /* write them there as JSON; "" for none */
};

extern struct options options;

void option_read(void);

/* As tls=0. */
void option_drop_tls(void);

/* The same from given texts (NULL for unset). */
void option_parse(const char *text, const char *whale_capacity);

#endif
