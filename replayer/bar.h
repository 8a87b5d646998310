/*
 * The bar on the terminal that standard error is: how much of something is done, how fast it goes,
 * how long it still takes. Where standard error is something else, nothing is shown.
 */
#ifndef REPLAYER_BAR_H
#define REPLAYER_BAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BAR_MS 250 /* from one look to the next */

struct bar {
	bool on;
	char label[80];
	uint64_t begin_ns;
	uint64_t shown_ns; /* the latest look */
};

/* Looks whether there is a terminal. */
void bar_open(struct bar *bar);

/* Something begins; the bar is empty. */
__attribute__((format(printf, 2, 3))) void bar_begin(struct bar *bar, const char *label, ...);

/* So many of all entries are done; all of them make so many calls. */
void bar_show(struct bar *bar, uint64_t done, uint64_t all, uint64_t calls);

/* So many of all rows are read: shown when it is time for a look, and at the end. */
void bar_read(struct bar *bar, uint64_t rows, uint64_t all);

/* It is over: the line is empty. */
void bar_end(const struct bar *bar);

/* The line's text, in size bytes: that share of the calls, 0 to 1, took so many seconds. */
void bar_text(char *text, size_t size, const char *label, double share, uint64_t calls,
	      double seconds);

#endif
